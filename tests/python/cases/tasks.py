"""Decorators, tasks as objects, `execute`, and the helpers that are imported from beside them."""

import os

from fabric.api import (abort, env, execute, hide, hosts, output, parallel, roles, run, runs_once,
                        serial, settings, task, with_settings)
from fabric.auth import get_password, set_password
from fabric.contrib import django
from fabric.main import (_task_names, extract_tasks, is_task_module, is_task_object, list_commands,
                         load_settings, load_tasks_from_module)
from fabric.state import commands
from fabric.task_utils import crawl, merge, parse_kwargs
from fabric.tasks import Task, WrappedCallableTask, get_task_details, requires_parallel
from fabric.thread_handling import ThreadHandler

NAMES = ("name", "aliases", "is_default", "hosts", "roles", "parallel", "serial", "pool_size",
         "__name__", "__doc__", "use_task_objects", "return_value")


def _marks(thing):
    return [[name, getattr(thing, name, "(missing)")] for name in NAMES] + [type(thing).__name__]


class _Counting(Task):
    """Counts."""

    name = "counting"

    def run(self, by=1, **others):
        return ["counted", by, others]


class _Custom(Task):
    def __init__(self, function, mine, *args, **kwargs):
        super(_Custom, self).__init__(*args, **kwargs)
        self.function, self.mine = function, mine

    def run(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def task_bare(place):
    @task
    def mine(a, b=2):
        """Mine."""
        return [a, b]
    return [_marks(mine), mine(1), mine.run(1, b=3), mine.wrapped(4, 5)]


def task_called(place):
    @task()
    def plain():
        return 1

    @task(name="other", alias="al", default=True)
    def mine():
        return 2

    @task(aliases=["x", "y"])
    def aliased():
        return 3
    return [_marks(plain), _marks(mine), _marks(aliased), plain(), mine(), aliased()]


def task_of_a_class(place):
    @task(task_class=_Custom, mine="v", alias="at")
    def mine(a=5):
        return a
    return [_marks(mine), mine.mine, mine.run(), mine.run(6)]


def task_as_a_class(place):
    mine = _Counting()
    other = _Counting(alias="q", name="zz", default=True)
    return [_marks(mine), mine.run(3), mine.run(z=1), _marks(other)]


def task_without_run(place):
    Task().run()


def task_wrapped(place):
    def mine():
        """Doc."""
    return [_marks(WrappedCallableTask(mine)), Task().name, Task().aliases, Task().is_default]


def hosts_and_roles(place):
    @hosts("a", "b")
    def of_hosts():
        """Doc."""
        return env.host_string

    @hosts(["a", "b"])
    def of_a_list():
        pass

    @roles("web", "db")
    def of_roles(x):
        return x
    return [_marks(of_hosts), of_hosts(), _marks(of_a_list), _marks(of_roles), of_roles(1)]


def runs_once_only(place):
    calls = []

    @runs_once
    def mine(a):
        calls.append(a)
        return [a]
    return [mine(1), mine(2), calls, mine(3) is mine(4), _marks(mine)]


def runs_once_unless_it_fails(place):
    calls = []

    @runs_once
    def mine():
        calls.append(1)
        raise ValueError("no")
    for _ in range(2):
        try:
            mine()
        except ValueError:
            pass
    return calls


def runs_once_as_a_task(place):
    calls = []

    @task
    @runs_once
    def outside():
        calls.append("outside")
        return 1

    @runs_once
    @task
    def inside():
        calls.append("inside")
        return 2
    return [outside(), outside(), inside(), inside(), calls, type(inside).__name__,
            inside.name, inside.return_value, sorted(execute(outside).values()), sorted(execute(inside).values()), calls]


def parallel_and_serial(place):
    @parallel
    def bare():
        return 1

    @parallel(pool_size=5)
    def called():
        return 2

    @parallel(3)
    def short():
        return 3

    @serial
    def one():
        return 4
    functions = (bare, called, short, one)
    return [[_marks(f), f(), requires_parallel(f)] for f in functions]


def settings_as_a_decorator(place):
    @with_settings(hide("running"), warn_only=True, mine=3)
    def within(a):
        """Doc."""
        return [a, env.warn_only, env.mine, output.running]
    return [within(1), within.__name__, within.__doc__, env.warn_only, env.get("mine")]


def decorators_stacked(place):
    @task
    @hosts("zz")
    @parallel
    @with_settings(warn_only=True)
    def all_of_them(a):
        """Doc."""
        return [a, env.warn_only]

    @hosts("zz")
    @task(alias="al")
    def over_a_task():
        """Doc."""
        return 7
    return [_marks(all_of_them), all_of_them(1), type(over_a_task).__name__, over_a_task.name,
            over_a_task.hosts, over_a_task(), over_a_task.__doc__]


def _seen(x, k=None):
    return [x, k, env.host_string, env.command, env.all_hosts, env.hosts]


def execute_a_function(place):
    return [execute(_seen, 1, k=2), env.host_string, env.command]


def execute_tasks(place):
    @task
    def mine(a):
        return a
    return [execute(mine, 1), execute(_Counting(), 3, z=1), execute(lambda: 3)]


def execute_silently(place):
    with hide("running"):
        return execute(_seen, 1)


def execute_here_by_name(place):
    return [execute(_seen, 1, hosts=[env.host_string]), execute(_seen, 1, host=env.host_string),
            execute(_seen, 2, hosts=[env.host_string, env.host_string])]


def execute_here_by_role(place):
    env.roledefs = {"r": [env.host_string], "d": {"hosts": [env.host_string]},
                    "c": lambda: [env.host_string]}

    def role():
        return env.effective_roles
    return [execute(role, role="r"), execute(role, roles=["r", "d"]), execute(role, role="c")]


def execute_by_its_roles(place):
    env.roledefs = {"r": [env.host_string]}

    @roles("r")
    def mine():
        return env.effective_roles
    return execute(mine)


def execute_nested(place):
    def outer():
        return execute(_seen, 9)
    return execute(outer)


def execute_a_command(place):
    def mine():
        return str(run("echo hello"))
    return execute(mine)


def execute_keeps_what_it_set(place):
    def mine():
        env.mine, env.warn_only = 1, True
    execute(mine)
    return [env.mine, env.warn_only]


def execute_an_unknown_name(place):
    execute("nobody-has-this")


def execute_an_unknown_role(place):
    execute(_seen, 1, role="nobody-has-this")


def execute_an_unknown_name_that_may_be(place):
    with settings(skip_unknown_tasks=True):
        return execute("nobody-has-this")


def execute_what_raises(place):
    def mine():
        raise ValueError("no")
    execute(mine)


def execute_what_aborts(place):
    execute(lambda: abort("no"))


def execute_once(place):
    @runs_once
    def mine():
        return 1
    return [execute(mine), execute(mine)]


def crawls(place):
    commands = {"a": 1, "b": {"c": 2}}
    return [crawl("a", commands), crawl("b.c", commands), crawl("no", commands),
            crawl("b.no", commands)]


def merges(place):
    return [merge(["a ", "b", "a"], ["r"], ["b"], {"r": ["c", "a"]}),
            merge([], ["r"], [], {"r": lambda: ["z", "y"]}),
            merge([], ["r"], [], {"r": {"hosts": ["z"]}}), merge([], [], [], {})]


def merges_no_unknown_role(place):
    merge([], ["q"], [], {"r": []})


def parses(place):
    return [parse_kwargs({"host": "a", "o": 1}), parse_kwargs({"hosts": ["b"], "role": "r"}),
            parse_kwargs({"roles": [1], "exclude_hosts": ["z"]}), parse_kwargs({})]


def details(place):
    @task
    def mine(a, b=1, *c, **d):
        """
        Doc,
          and more.
        """
    return [mine.__details__(), get_task_details(mine.wrapped), get_task_details(_seen)]


def passwords(place):
    before = get_password("u", "h", "22")
    set_password("u", "h", "22", "pw")
    env.sudo_passwords = {"u@h:22": "sp"}
    return [before, get_password("u", "h", "22"), get_password("u", "h", "22", login_only=True),
            get_password("o", "h", "22"), env.password, env.passwords]


def names_django(place):
    before = os.environ.get("DJANGO_SETTINGS_MODULE")
    try:
        django.settings_module("a.b")
        first = os.environ["DJANGO_SETTINGS_MODULE"]
        django.project("proj")
        return [first, os.environ["DJANGO_SETTINGS_MODULE"]]
    finally:
        os.environ.pop("DJANGO_SETTINGS_MODULE")
        if before is not None:
            os.environ["DJANGO_SETTINGS_MODULE"] = before


def reads_settings(place):
    path = place.write("rc", "# c\na = b\nc=d = e\n\nbad\n; x\nq:1\n")
    return [sorted(load_settings(path).items()), load_settings(place.here + "/no")]


def finds_tasks(place):
    module = type(os)("mine")
    other = type(os)("other")
    exec("from fabric.api import task\n@task(default=True)\ndef a(): pass\n"
         "@task(alias='zz')\ndef b(): pass\ndef c(): pass\ndef _d(): pass\n", module.__dict__)
    exec("def c(): 'doc'\ndef _d(): pass\n", other.__dict__)

    def names(found):
        return [sorted(part) if isinstance(part, dict) else getattr(part, "name", part)
                for part in found]
    return [names(load_tasks_from_module(module)), names(load_tasks_from_module(other)),
            names(extract_tasks(list(vars(module).items()))), is_task_object(1),
            is_task_object(module.a), is_task_module(module)]


def lists_tasks(place):
    inner, outer = type(os)("inner"), type(os)("outer")
    exec("from fabric.api import task\n@task(default=True)\ndef a():\n 'a doc'\n"
         "@task\ndef b(): pass\n", inner.__dict__)
    exec("from fabric.api import task\n@task\ndef top():\n \"\"\"top doc\n  more\"\"\"\n",
         outer.__dict__)
    outer.inner = inner
    tasks = load_tasks_from_module(outer)[1]
    before = dict(commands)
    commands.update(tasks)
    try:
        return [[list_commands(" Doc\n second\n", form) for form in ("normal", "short", "nested")],
                list_commands("", "normal"), _task_names(tasks), crawl("inner", tasks).name,
                crawl("inner.b", tasks).name, crawl("inner.no", tasks), crawl("top.no", tasks)]
    finally:
        commands.clear()
        commands.update(before)


def threads(place):
    def fails():
        raise KeyError("no")
    good, bad = ThreadHandler("good", str), ThreadHandler("bad", fails)
    for handler in (good, bad):
        handler.thread.join()
    good.raise_if_needed()
    bad.raise_if_needed()
