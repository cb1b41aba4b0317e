"""What is written above a task.

A job's targets say where its task runs, and each unit is one node's: `hosts`, `roles`, `parallel`
and `serial` leave their marks on the function, for code that looks at them, and do nothing else.
"""

from fabric import _node
from fabric.context_managers import settings
from fabric.tasks import Task, WrappedCallableTask


def task(*given, **options):
    """Makes a task of a function: `@task`, or `@task(name=, alias=, aliases=, default=,
    task_class=)`. Further arguments are for the class."""
    kind = options.pop("task_class", None) or WrappedCallableTask
    if given and not options and callable(given[0]):
        return kind(given[0], *given[1:])
    return lambda function: kind(function, *given, **options)


def hosts(*host_list):
    """Marks for which hosts it is meant."""
    return _marked("hosts", host_list)


def roles(*role_list):
    """Marks for which roles it is meant."""
    return _marked("roles", role_list)


def runs_once(func):
    """Runs it once in each unit; later calls return the same."""

    def once(*args, **kwargs):
        if not hasattr(once, "return_value"):
            once.return_value = func(*args, **kwargs)
        return once.return_value

    _like(func, once).serial = True
    return _task_again(func, once)


def serial(func):
    """Marks it as one that may not run on several hosts at a time."""
    marked = _around(func)
    marked.serial = True
    return _task_again(func, marked)


def parallel(pool_size=None):
    """Marks it as one that may run on several hosts at a time."""

    def mark(func):
        marked = _around(func)
        marked.parallel, marked.serial = True, False
        marked.pool_size = None if callable(pool_size) else pool_size
        return _task_again(func, marked)

    return mark(pool_size) if callable(pool_size) else mark


def with_settings(*arg_settings, **kw_settings):
    """Calls it within `settings(...)`."""

    def settled(func):
        def within(*args, **kwargs):
            with settings(*arg_settings, **kw_settings):
                return func(*args, **kwargs)

        return _task_again(func, _like(func, within))

    return settled


def _marked(attribute, values):
    if len(values) == 1 and not isinstance(values[0], str) and hasattr(values[0], "__iter__"):
        values = values[0]

    def mark(func):
        marked = _around(func)
        setattr(marked, attribute, list(values))
        return _task_again(func, marked)

    return mark


def _around(func):
    return _like(func, lambda *args, **kwargs: func(*args, **kwargs))


def _like(original, function):
    """`function` with the name, the documentation and the marks of `original`."""
    inner = original.wrapped if isinstance(original, WrappedCallableTask) else original
    return _node.named_after(inner, function)


def _task_again(original, function):
    """What came as a task goes as one."""
    if not isinstance(original, Task):
        return function
    again = WrappedCallableTask(function, name=original.name, default=original.is_default)
    again.aliases = original.aliases
    return again
