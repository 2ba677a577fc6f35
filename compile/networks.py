"""The networks that go into a bundle."""

from __future__ import annotations

from dataclasses import dataclass

from denoiser import manifest, weights_file
from denoiser.models import Member
from denoiser.network import FeatureAlignNetwork
from denoiser.weights_file import WeightsHeader


@dataclass(frozen=True)
class SourceNetwork:
    """A network as the denoiser ships it."""

    member: Member
    network: FeatureAlignNetwork
    header: WeightsHeader


@dataclass(frozen=True)
class SourceFamily:
    """Networks that share the noise range between them, from clean to noisy. name: what `--model` calls them."""

    name: str
    networks: tuple[SourceNetwork, ...]


def load(model: str) -> SourceFamily:
    """What `model` names, as `denoiser.models.Catalogue.resolve` says.

    Raises ConfigError if there is no such model, InputError for weights that are not usable.
    """
    choice = manifest.shipped().resolve(model)
    networks = []
    for member in choice.members:
        member.check()
        networks.append(SourceNetwork(member, *weights_file.load(member.path)))
    return SourceFamily(choice.name, tuple(networks))
