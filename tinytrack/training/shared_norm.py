"""Batch normalisation over the clips of all ranks, so that the result of a run does not depend on the world size."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from .processes import world_size


class _NormOverAll(torch.autograd.Function):
    """Batch normalisation over the clips of all ranks, which communicate once in the forward and once in the backward pass."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        # mean and variance of this rank's clips, then of all ranks' clips
        own = torch.stack(torch.batch_norm_update_stats(x.to(weight.dtype), None, None, 0.0))  # many times faster than torch.var_mean
        of_all = [torch.empty_like(own) for _ in range(world_size())]
        dist.all_gather(of_all, own)
        means, variances = torch.stack(of_all, 1)
        # The mean of squares minus the squared mean would be shorter, but would lose half of the digits.
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx, grad: Tensor, *_) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        scale = (variance + ctx.eps).rsqrt()
        # The gradient of x needs the same two sums as those of weight and bias, but taken over all ranks.
        known = (None, None, mean, scale, True, ctx.eps)
        _, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(grad, x, weight, *known, [False, True, True])
        sums = torch.stack([grad_weight, grad_bias])
        dist.all_reduce(sums)
        along, level = sums / (world_size() * x.numel() / x.shape[1])  # the means of grad * normalised x, and of grad
        shape = (1, -1) + (1,) * (x.dim() - 2)
        by_x = -along * scale
        grad_x = torch.addcmul((-level - by_x * mean).view(shape), x, by_x.view(shape)).add_(grad).mul_((weight * scale).view(shape))
        return grad_x.to(x.dtype), grad_weight, grad_bias, None


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with the mean and variance of the clips of *all* ranks: ``nn.SyncBatchNorm`` for CPUs.

    torch's own class refuses tensors that are not on a GPU. Every rank must hold the same number of clips.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y, mean, variance = _NormOverAll.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            n = world_size() * x.numel() / x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
        return y


def share_norms(net: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch normalisation in ``net`` by one over all ranks, so that a run does not depend on the world size.

    Parameters and buffers keep their names. Returns the network.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                shared = SharedNorm(child.num_features, child.eps, child.momentum)
                for key, value in (*child.named_parameters(), *child.named_buffers()):
                    setattr(shared, key, value)
                setattr(module, name, shared.train(child.training))
    return net
