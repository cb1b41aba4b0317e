"""Hosts, roles and names of tasks, as `execute` takes them."""

from fabric.utils import abort


class _Dict(dict):
    """A mapping of tasks, which other mappings are not."""


def crawl(name, mapping):
    """What a dotted name leads to in nested mappings of tasks, or None. One with a default task
    stands for that."""
    found = mapping
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return getattr(found, "default", found) if isinstance(found, _Dict) else found


def merge(hosts, roles, exclude, roledefs):
    """The hosts of both lists, each once and in order, without those to exclude."""
    unknown = [role for role in roles if role not in roledefs]
    if unknown:
        lines = "\n".join("    %s" % role for role in unknown)
        abort("The following specified roles do not exist:\n%s" % lines)
    everybody = list(hosts)
    for role in roles:
        members = roledefs[role]
        if isinstance(members, dict):
            members = members["hosts"]
        everybody.extend(members() if callable(members) else members)
    merged = []
    for host in everybody:
        host = host.strip()
        if host not in exclude and host not in merged:
            merged.append(host)
    return merged


def parse_kwargs(kwargs):
    """Splits what `execute` is given by name: the task's own, hosts, roles, hosts to exclude."""
    rest, hosts, roles, exclude = {}, [], [], []
    for name, value in kwargs.items():
        if name == "host":
            hosts = hosts or [value]
        elif name == "hosts":
            hosts = value
        elif name == "role":
            roles = roles or [value]
        elif name == "roles":
            roles = value
        elif name == "exclude_hosts":
            exclude = value
        else:
            rest[name] = value
    return rest, hosts, roles, exclude
