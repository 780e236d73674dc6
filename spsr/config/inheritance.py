"""Methods and their deltas: reading `methods.yaml` and following `extends`."""

from typing import Any

from spsr.config.method import Method
from spsr.config.references import find
from spsr.config.strict import check_names, validate
from spsr.config.yaml_source import Source
from spsr.errors import InputError


def apply_delta(parent: dict[str, Any], delta: dict[str, Any]) -> dict[str, Any]:
    """`parent` with the values of `delta`, mapping by mapping."""
    merged = dict(parent)
    for key, value in delta.items():
        inherited = merged.get(key)
        if isinstance(inherited, dict) and isinstance(value, dict):
            merged[key] = apply_delta(inherited, value)
        else:
            merged[key] = value
    return merged


def read_methods(source: Source) -> dict[str, Method]:
    """Every method of a file, with what it inherits. Errors name the file, the line and the remedy."""
    check_names(source)
    resolved: dict[str, dict[str, Any]] = {}

    def resolve(name: str, children: tuple[str, ...]) -> dict[str, Any]:
        if name in resolved:
            return resolved[name]
        own = source.data[name]
        if not isinstance(own, dict):
            raise InputError(f"{source.where((name,))}: {name}: a method is a mapping; write `{{title: ...}}`")
        parent = own.get("extends")
        if parent is None:
            resolved[name] = own
        elif parent in (*children, name):
            chain = " → ".join((*children, name, str(parent)))
            raise InputError(f"{source.where((name, 'extends'))}: {chain}: extends itself; break the circle")
        else:
            find("method", str(parent), source.data, f"{source.where((name, 'extends'))}: {name}.extends")
            resolved[name] = apply_delta(resolve(parent, (*children, name)), own)
        return resolved[name]

    return {name: validate(Method, resolve(name, ()), source, (name,)) for name in source.data}
