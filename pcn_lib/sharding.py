"""Batches split over several devices: each holds its share of the samples, and all hold the weights.

Samples only meet in means over the batch, so nothing in the library knows of this: JAX splits every function of the
problem as its arrays are split, and adds up the means across devices.
"""

from dataclasses import replace

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pcn_lib.energy import Problem

#: The mesh axis over which samples are split.
BATCH = "batch"


def batch_mesh(devices: int | None = None) -> Mesh:
    """The first so many devices of JAX's default platform in a row (all of them unless told).

    Raises:
        ValueError: more devices than there are, or none.
    """
    here = jax.devices()
    count = len(here) if devices is None else devices
    if not 1 <= count <= len(here):
        raise ValueError(
            f"{count} devices asked for and JAX sees {len(here)} here: ask for 1 to {len(here)}, or, to try this on a "
            f"CPU, start Python with XLA_FLAGS=--xla_force_host_platform_device_count={max(count, 1)}"
        )
    return Mesh(np.array(here[:count]), (BATCH,))


def shard_batch(problem: Problem, mesh: Mesh | None = None) -> Problem:
    """The same problem with x and y split over devices by samples, and the weights on every one of them.

    Loss, gradients, inference and training of the result are computed on all devices at once, and equal those of
    one device up to the order in which the means over the batch are added.

    Args:
        problem: network, batch and objective.
        mesh: of one axis; by default all devices, :func:`batch_mesh`.

    Raises:
        ValueError: a mesh of several axes, or a batch that the devices cannot share equally.
    """
    mesh = batch_mesh() if mesh is None else mesh
    if len(mesh.axis_names) != 1:
        raise ValueError(
            f"a mesh with the axes {', '.join(map(str, mesh.axis_names))} given; a batch is split along one: "
            "make it with pcn_lib.sharding.batch_mesh"
        )
    _check_divisible(problem.x.shape[0], mesh.size)
    split = NamedSharding(mesh, PartitionSpec(*mesh.axis_names))
    everywhere = NamedSharding(mesh, PartitionSpec())
    return replace(
        problem,
        network=jax.device_put(problem.network, everywhere),
        x=jax.device_put(problem.x, split),
        y=jax.device_put(problem.y, split),
    )


def _check_divisible(samples: int, devices: int) -> None:
    if samples % devices == 0:
        return
    below = samples - samples % devices
    sizes = " or ".join(str(size) for size in (below, below + devices) if size)
    fitting = max(count for count in range(1, devices + 1) if samples % count == 0)
    raise ValueError(
        f"a batch of {samples} samples given for {devices} devices, which cannot share it equally: take a batch of "
        f"{sizes}, or fewer devices with mesh=batch_mesh({fitting})"
    )
