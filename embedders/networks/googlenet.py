"""torchvision's GoogLeNet (batch normalised) in the parts that topicidx trains and freezes."""

from collections import OrderedDict

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_TRUNK = (
    "conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3",
    "inception4a", "inception4b", "inception4c", "inception4d",
)  # fmt: skip
_TAIL = ("inception4e", "maxpool4", "inception5a", "inception5b")


def build_googlenet() -> tuple[nn.Sequential, nn.Sequential]:
    """The network without its classifier, as (trunk, tail), with random weights.

    The trunk is everything up to and including inception 4d (n, 3, h, w) -> (n, 528, h/16, w/16); the tail is 4e to 5b,
    -> (n, 1024, h/32, w/32). Parameter names are torchvision's.
    """
    from torchvision.models import GoogLeNet

    # torchvision's own initial values come from scipy's truncated normal, one number at a time: seconds of nothing.
    network = GoogLeNet(aux_logits=False, transform_input=False, init_weights=False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    layers = dict(network.named_children())
    return (
        nn.Sequential(OrderedDict((name, layers[name]) for name in _TRUNK)),
        nn.Sequential(OrderedDict((name, layers[name]) for name in _TAIL)),
    )


def fold_batch_norm(network: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place. For networks in eval mode only."""
    for module in network.modules():
        convolution, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(convolution, norm)
            module.bn = nn.Identity()
