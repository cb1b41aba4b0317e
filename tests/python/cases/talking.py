"""What is said and asked: aborts, warnings, prompts, confirmations, colors."""

import sys

from fabric import colors
from fabric.api import (abort, env, fastprint, hide, open_shell, prompt, puts, require, run, settings,
                        show, warn)
from fabric.contrib.console import confirm
from fabric.utils import apply_lcwd, error, handle_prompt_abort, indent


def aborts(place):
    abort("no way")


def aborts_hidden(place):
    with hide("aborts"):
        abort("no way")


def aborts_with_an_exception(place):
    class Mine(Exception):
        pass
    env.abort_exception = Mine
    abort("no way")


def aborts_in_color(place):
    env.colorize_errors = True
    abort("no way")


def warns(place):
    return warn("take care")


def warns_in_color(place):
    env.colorize_errors = True
    return warn("take care")


def warns_hidden(place):
    with hide("warnings"):
        return warn("take care")


def errs(place):
    error("it failed", stdout="out\nput", stderr="err")


def errs_with_warning(place):
    with settings(warn_only=True):
        return error("it failed", stdout="out\nput", stderr="err")


def errs_with_output_hidden(place):
    with settings(hide("stdout", "stderr"), warn_only=True):
        return error("it failed", stdout="out\nput", stderr="err")


def errs_with_streams_hidden(place):
    with hide("stdout", "stderr"):
        error("it failed", stdout="out\nput", stderr="err")


def errs_with_an_exception(place):
    error("it failed", exception=ValueError("why"))


def errs_with_func(place):
    said = []
    error("it failed", func=said.append)
    return said


def errs_with_debug(place):
    with show("debug"):
        error("it failed", exception=ValueError("why"))


def errs_within_an_exception(place):
    with show("exceptions"):
        try:
            raise KeyError("mine")
        except KeyError as problem:
            error("it failed", exception=problem)


def errs_within_an_exception_unseen(place):
    try:
        raise KeyError("mine")
    except KeyError as problem:
        error("it failed", exception=problem)


def aborts_within_an_exception(place):
    with show("exceptions"):
        try:
            raise KeyError("mine")
        except KeyError:
            abort("it failed")


def errs_with_an_os_error(place):
    try:
        open("/nonexistent")
    except IOError as problem:
        error("it failed", exception=problem)


def _answered(*lines):
    """By a keyboard, where there is one."""
    sys.stdin = _Keyboard(lines)


class _Keyboard(object):
    """At a terminal, which shows that a line has ended."""

    def __init__(self, lines):
        self._lines = list(lines)

    def readline(self, *size):
        sys.stdout.write("\n")
        return self._lines.pop(0) + "\n"

    def fileno(self):
        raise IOError("no descriptor")


def prompts_are_answered(place):
    _answered(u"Ada")
    return [prompt("Name?"), "name" in env]


def prompts_fill_in(place):
    _answered(u"Ada")
    return [prompt("Name?", key="name"), env.name]


def prompts_overwrite(place):
    env.name = "Bob"
    _answered(u"Ada")
    return [prompt("Name?", key="name"), env.name]


def prompts_have_defaults(place):
    _answered(u"")
    return prompt("Nothing?", default="Eve")


def prompts_have_defaults_from_env(place):
    env.name = "Bob"
    _answered(u"")
    return [prompt("Nothing?", key="name"), env.name]


def prompts_validate(place):
    _answered(u"42")
    return [prompt("Number?", validate=int)]


def prompts_validate_by_pattern(place):
    _answered(u"42")
    return [prompt("Number?", validate=r"\d+")]


def prompts_validate_with_key(place):
    _answered(u"42")
    return [prompt("Number?", key="number", validate=int), env.number]


def puts_text(place):
    puts("one")
    puts("two\nthree")
    puts("four", show_prefix=False)
    puts("five", end="")
    puts("six", flush=True)
    puts(7)


def puts_without_prefix(place):
    env.output_prefix = False
    puts("one")
    puts("two", show_prefix=True)


def puts_without_node(place):
    with settings(host_string=None):
        puts("one")


def puts_hidden(place):
    with hide("user"):
        puts("one")


def prints_at_once(place):
    fastprint("one")
    fastprint("two", show_prefix=True, end="\n")


def indents(place):
    return [indent("a\n  b"), indent(["a", "b"], 2), indent("  a\n   b", strip=True),
            indent("a\n\nb")]


def lcwd_applies(place):
    with settings(lcwd="/x"):
        return [apply_lcwd("a", env), apply_lcwd("/a", env), apply_lcwd("~/a", env)]


def aborts_a_prompt(place):
    env.abort_on_prompts = True
    handle_prompt_abort("a password")


def does_not_abort_a_prompt(place):
    return handle_prompt_abort("a password")


def prompts_may_abort(place):
    env.abort_on_prompts = True
    return prompt("Who?")


def requires(place):
    env.mine = 1
    return require("mine")


def requires_more(place):
    require("nobody", "user")


def requires_several(place):
    require("nobody", "noone")


def requires_with_provider(place):
    def setup():
        pass
    require("nobody", provided_by=setup)


def requires_with_providers(place):
    def first():
        pass

    def second():
        pass
    require("nobody", "noone", provided_by=[first, second])


def requires_with_used_for(place):
    require("nobody", used_for="finding somebody")


def requires_empty(place):
    env.mine = None
    return require("mine")


def colored(place):
    names = ("red", "green", "yellow", "blue", "magenta", "cyan", "white")
    said = dict((name, [getattr(colors, name)("x"), getattr(colors, name)("x", bold=True)])
                for name in names)
    with_text = colors.red("%s" % 5)
    return [said, with_text]


def color_on_a_line(place):
    return [colors.red("a\nb"), colors.green("")]


def prints_go_through(place):
    print("hello")
    sys.stderr.write("there\n")


def prefix_of_puts_in_a_run(place):
    run("true")
    puts("one")


def debug_shows_the_command(place):
    with show("debug"):
        run("echo a b")


def _confirmed(question, answer, **how):
    """By the job's answers, or by a keyboard where there is one."""
    try:
        import loom_bridge
        loom_bridge.unit["answers"][question] = answer
    except ImportError:
        pass
    _answered(answer)
    return confirm(question, **how)


def confirms(place):
    answers = (u"y", u"n", u"Y", u"yes", u"NO", u"")
    return [[str(answer), default, _confirmed("Sure?", answer, default=default)]
            for answer in answers for default in (True, False)]


def confirms_other_questions(place):
    return [_confirmed("Really?", u"no"), _confirmed("Delete all?", u"", default=False)]


def confirms_nothing(place):
    env.abort_on_prompts = True
    confirm("Who knows?")
