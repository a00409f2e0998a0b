"""Batch normalisation over the clips of all ranks, so that a run does not depend on how many ranks share its clips."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from .processes import world_size


class _NormOverAll(torch.autograd.Function):
    """Batch normalisation over the clips of all processes, who talk once on the way there and once on the way back."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.stack(torch.batch_norm_update_stats(x.to(weight.dtype), None, None, 0.0))  # many times as fast as torch.var_mean
        of_all = [torch.empty_like(own) for _ in range(world_size())]
        dist.all_gather(of_all, own)
        means, variances = torch.stack(of_all, 1)
        # Not the mean square minus the squared mean, by which half of the digits would be lost.
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx, slope: Tensor, *_) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        scale = (variance + ctx.eps).rsqrt()
        # The slopes of weight and bias are the only sums that the slope of x needs, too: there over all processes.
        known = (None, None, mean, scale, True, ctx.eps)
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(slope, x, weight, *known, [False, True, True])
        sums = torch.stack([of_weight, of_bias])
        dist.all_reduce(sums)
        along, level = sums / (world_size() * x.numel() / x.shape[1])
        shape = (1, -1) + (1,) * (x.dim() - 2)
        by_x = -along * scale
        of_x = torch.addcmul((-level - by_x * mean).view(shape), x, by_x.view(shape)).add_(slope).mul_((weight * scale).view(shape))
        return of_x.to(x.dtype), of_weight, of_bias, None


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation whose mean and variance are those of the clips of *all* processes: ``nn.SyncBatchNorm``, for processors.

    (torch's own refuses tensors that are not on a GPU.) Every process must hold equally many clips.
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
    """Make every batch normalisation in ``net`` one over all processes, so that a run does not depend on how many there are.

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
