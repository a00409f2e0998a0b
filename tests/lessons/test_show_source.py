"""``show`` displays the library's own source lines and shortens docstrings to their first line."""

import pytest

from tinytrack import embed, pointer, track
from tinytrack.lessons.show_source import show


def test_a_function_is_shown_as_it_is_written_in_its_file():
    source = show(pointer.copy)
    assert source.name == "pointer.copy"
    assert source.code.splitlines()[0] == "def copy(A: Tensor, c: Tensor) -> Tensor:"
    assert source.code.splitlines()[-1] == "    return A @ c"
    assert repr(source).startswith("# pointer.copy\ndef copy")


def test_docstrings_are_cut_to_their_first_line_and_the_code_still_runs():
    source = show(pointer.affinity)
    assert "Args:" not in source.code
    assert "Explained in" not in source.code
    assert '"""Point (Eq. 2)' in source.code
    names = vars(pointer) | {}
    exec(source.code, names)
    assert names["affinity"].__doc__.startswith("Point (Eq. 2)")
    assert source.code.splitlines()[-1].strip() == "return logits.softmax(dim=-1)"


def test_classes_methods_and_wrapped_functions_are_shown():
    net = show(embed.TinyNet).code
    assert net.startswith("class TinyNet(nn.Module):")
    assert "def forward" in net
    assert "Args:" not in net
    assert show(embed.TinyNet.forward).name == "embed.TinyNet.forward"
    assert show(embed.TinyNet.forward).code.startswith("def forward(self")  # not indented
    assert "@dataclass(frozen=True)" in show(track.Protocol).code
    assert show(track.carry).code.startswith("@torch.inference_mode()")


def test_jupyter_gets_python_in_colours():
    bundle = show(pointer.copy)._repr_mimebundle_()
    assert bundle["text/plain"] == repr(show(pointer.copy))
    assert bundle["text/markdown"] == f"```python\n{bundle['text/plain']}\n```"


def test_an_object_without_source_is_refused():
    with pytest.raises(TypeError):
        show(len)
