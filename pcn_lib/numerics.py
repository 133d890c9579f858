"""Precision, pytree norms and the one table of tolerances.

Precision is a setting of the run, never of a module: :func:`use_float64` or :func:`use_highest_precision` is called
once, before the first array is made, and every array-making function takes its ``dtype`` explicitly.
"""

import copyreg
import math
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


@dataclass(frozen=True)
class Tolerance:
    """What rounding allows in one number type.

    Attributes:
        exact: relative error of one closed form against another (a few hundred roundings).
        solve: relative gradient norm that an iterative solver can be asked to reach.
        gradient: relative error of a gradient computed at such an equilibrium.
    """

    exact: float
    solve: float
    gradient: float


#: By dtype and kind of device.  Float32 in the prediction errors floors between 1e-7 and 1e-6 relative gradient,
#: highest under SP and NTP with skips, and code generated in another way moves the floor by a factor of two;
#: a GPU in its default matrix-product precision (TF32) carries only 10 bits of mantissa.
TOLERANCES = {
    ("float64", "cpu"): Tolerance(exact=1e-12, solve=1e-10, gradient=1e-8),
    ("float64", "gpu"): Tolerance(exact=1e-12, solve=1e-10, gradient=1e-8),
    ("float32", "cpu"): Tolerance(exact=1e-5, solve=2e-6, gradient=1e-4),
    ("float32", "gpu"): Tolerance(exact=1e-5, solve=2e-6, gradient=1e-4),
    ("tensorfloat32", "gpu"): Tolerance(exact=5e-3, solve=1e-2, gradient=5e-2),
}


def tolerance(dtype, platform: str | None = None) -> Tolerance:
    """The row of :data:`TOLERANCES` for a number type on a platform (default: this one's).

    Raises:
        ValueError: no tolerance is known for the pair.
    """
    platform = platform or jax.default_backend()
    name = dtype if dtype == "tensorfloat32" else jnp.dtype(dtype).name
    if (name, platform) not in TOLERANCES:
        known = ", ".join("/".join(pair) for pair in TOLERANCES)
        raise ValueError(f"no tolerance for {name} on {platform!r}; known: {known}: choose one of these")
    return TOLERANCES[name, platform]


def use_float64() -> None:
    """Let arrays be float64 from here on (JAX's ``jax_enable_x64``)."""
    jax.config.update("jax_enable_x64", True)


@contextmanager
def in_float64() -> Iterator[None]:
    """Let arrays be float64 inside a block, in every thread; the context of JAX has no one name in its versions."""
    before = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    use_float64()
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def use_highest_precision() -> None:
    """Let float32 products be float32's on every device from here on (JAX's ``jax_default_matmul_precision``).

    By default a GPU rounds the factors of matrix products and convolutions to TensorFloat-32's 10 bits, in which no
    equilibrium is found to better than about 1e-2; on a CPU nothing changes.
    """
    jax.config.update("jax_default_matmul_precision", "highest")


def check_dtype(dtype) -> jnp.dtype:
    """The dtype, refused where JAX would silently store something narrower.

    Raises:
        ValueError: float64 asked for while JAX has it switched off, or not a floating type.
    """
    dtype = jnp.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype {dtype.name} given; weights need a floating type: use float32 or float64")
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(
            f"dtype {dtype.name} given while JAX is limited to 32 bits; call pcn_lib.numerics.use_float64() first"
        )
    return dtype


def check_key(key: Array) -> None:
    """Refuse what is no random key, such as a bare seed.

    Raises:
        ValueError: anything but an array of keys.
    """
    if not isinstance(key, jax.Array):
        raise ValueError(f"key = {key!r} given; a random key is needed: pass jax.random.key(0), or with another seed")


def check_seed(seed: int) -> None:
    """Refuse seeds that JAX or NumPy do not draw from.

    Raises:
        ValueError: below 0, or more than 32 bits hold.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed = {seed} given; draws need one of 32 bits: choose 0 <= seed < 2**32")


#: Lengths that :func:`standard_normal` draws and cuts; an array longer than the last is drawn as it is.
LENGTHS = tuple(8**power for power in (3, 4, 5, 6))


def standard_normal(key: Array, shape: tuple[int, ...], dtype) -> Float[Array, "..."]:
    """``jax.random.normal``, number for number up to rounding, compiled for four lengths instead of for every shape.

    JAX's generator numbers the entries of an array and hashes each number with the key, so a short array is the
    beginning of a long one.  Compiling a shape takes up to a second, drawing what is cut off a millisecond.
    """
    count = math.prod(shape)
    length = next((length for length in LENGTHS if length >= count), count)
    return jax.random.normal(key, (length,), dtype)[:count].reshape(shape)


def check_rate(rate: float | Array) -> None:
    """Refuse learning rates that climb; those inside ``jit`` are not looked at.

    Raises:
        ValueError: negative, or NaN.
    """
    if isinstance(rate, int | float) and not rate >= 0:
        raise ValueError(f"rate = {rate} given; descent needs one that is not negative: choose rate > 0")


def tree_dot(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """Inner product of two pytrees of one structure, summed over every entry."""
    products = jax.tree.map(lambda u, v: jnp.sum(u * v), a, b)
    return jax.tree.reduce(jnp.add, products)


def tree_norm(tree: PyTree) -> Float[Array, ""]:
    """Euclidean norm over every entry of a pytree; right where the squares of entries overflow or vanish, too."""
    largest = jax.tree.reduce(jnp.maximum, jax.tree.map(lambda u: jnp.max(jnp.abs(u), initial=0), tree))
    # Entries are brought near 1 by a power of two, which rounds nothing.
    kind = jnp.finfo(largest.dtype)
    power = jax.lax.reduce_precision(jax.lax.stop_gradient(largest), kind.nexp, 0)
    unit = jnp.clip(power, float(kind.tiny), 1 / float(kind.tiny))
    near_one = jax.tree.map(lambda u: u * (1 / unit), tree)
    return unit * jnp.sqrt(tree_dot(near_one, near_one))


def tree_subtract(a: PyTree, b: PyTree) -> PyTree:
    """a - b, leaf by leaf."""
    return jax.tree.map(jnp.subtract, a, b)


def tree_axpy(scale: Float[Array, ""] | float | int, a: PyTree, b: PyTree) -> PyTree:
    """scale * a + b, leaf by leaf."""
    return jax.tree.map(lambda u, v: scale * u + v, a, b)


def identity(h: Array) -> Array:
    """phi(h) = h: the activation of a linear network."""
    return h


Activation = Callable[[Array], Array]


def check_activation(activation: Activation) -> None:
    """Refuse what is no function of JAX's arrays, before it is traced inside a network.

    Raises:
        ValueError: an activation's name, a class that would make one, or a function of another library's arrays.
    """
    if isinstance(activation, type) or not callable(activation):
        raise ValueError(
            f"activation = {activation!r} given; a function of arrays is needed: pass jnp.tanh, jax.nn.relu or another"
        )
    try:
        jax.eval_shape(activation, jax.ShapeDtypeStruct((2,), "float32"))
    except TypeError as error:
        raise ValueError(
            f"activation = {activation!r} given, which does not take JAX's arrays; inference differentiates it: "
            "write it with jax.numpy, as jnp.tanh for np.tanh"
        ) from error
    except ValueError:
        # Of such sizes or such numbers it knows nothing; where these are known it will be called.
        return


def _pickled(function: Any) -> tuple:
    """How a function made by JAX's decorators is pickled: by its name, as plain functions are, so that it stays itself.

    JAX pickles what it decorates, which for ``jnp.tanh`` cannot be found again, and is not ``jnp.tanh``.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    try:
        if pkgutil.resolve_name(name) is function:
            return pkgutil.resolve_name, (name,)
    except (ValueError, ImportError, AttributeError):
        pass
    return function.__reduce_ex__(4)


for _decorated in (type(jax.jit(identity)), jax.custom_jvp, jax.custom_vjp):
    copyreg.pickle(_decorated, _pickled)
