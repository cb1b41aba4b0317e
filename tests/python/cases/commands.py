"""`run` and what comes of it."""

from fabric.api import env, hide, quiet, run, settings, show, warn_only
from fabric.exceptions import CommandTimeout

from cases import StringIO, result


def plain(place):
    return result(run("echo hello"))


def two_streams_on_a_terminal(place):
    return result(run("echo out; echo err >&2"))


def two_streams_without_a_terminal(place):
    return result(run("echo out; sleep 0.2; echo err >&2", pty=False))


def streams_apart(place):
    return result(run("echo out; sleep 0.2; echo err >&2", pty=False, combine_stderr=False))


def streams_apart_on_a_terminal(place):
    return result(run("echo out; echo err >&2", combine_stderr=False))


def streams_apart_by_env(place):
    env.combine_stderr = False
    return result(run("echo out; sleep 0.2; echo err >&2", pty=False))


def no_terminal_by_env(place):
    env.always_use_pty = False
    return [str(run("tty || true")), str(run("tty || true", pty=True))]


def terminal(place):
    return [str(run("echo $TERM; stty size")), str(run("tty -s && echo yes"))]


def no_output(place):
    return result(run("true"))


def output_is_stripped(place):
    return result(run("echo; echo '  a  '; echo; echo", pty=False))


def many_lines(place):
    return result(run("seq 300"))


def long_line(place):
    text = run("head -c 70000 /dev/zero | tr '\\0' x", quiet=True)
    return [len(text), set(text) == set("x")]


def much_output(place):
    text = run("seq 20000", quiet=True)
    return [len(text), text.splitlines()[0], text.splitlines()[-1], len(text.splitlines())]


def carriage_returns(place):
    return result(run("printf 'a\\rb\\r\\nc\\n'", pty=False))


def carriage_returns_on_a_terminal(place):
    return result(run("printf 'a\\nb\\n'"))


def not_ascii(place):
    return run("printf '\\303\\244\\n'") == u"\u00e4"


def code(place):
    return result(run("exit 3"))


def code_with_output(place):
    return run("echo out; echo err >&2; exit 3", pty=False, combine_stderr=False)


def code_with_warn_only(place):
    return result(run("echo x; exit 3", warn_only=True))


def code_with_quiet(place):
    return result(run("echo x; exit 3", quiet=True))


def code_in_warn_only(place):
    with warn_only():
        return result(run("exit 4"))


def code_in_settings(place):
    with settings(warn_only=True):
        return result(run("exit 4"))


def code_in_quiet(place):
    with quiet():
        return [result(run("echo x; exit 4")), bool(env.warn_only)]


def code_in_env(place):
    env.warn_only = True
    return result(run("echo there; ls /nonexistent", pty=False, combine_stderr=False))


def code_that_is_ok(place):
    env.ok_ret_codes = [0, 3]
    return result(run("exit 3"))


def code_that_is_not_ok(place):
    env.ok_ret_codes = [1]
    return result(run("true"))


def code_with_an_exception(place):
    class Mine(Exception):
        pass
    env.abort_exception = Mine
    run("exit 3")


def code_of_a_missing_command(place):
    return result(run("nobody-has-this", warn_only=True))


def code_with_long_output(place):
    return run("seq 3; exit 1")


def code_with_output_hidden(place):
    with hide("output"):
        run("echo out; echo err >&2; exit 3", pty=False, combine_stderr=False)


def code_with_everything_hidden(place):
    with hide("everything"):
        run("echo out; exit 3")


def aborts_are_hidden(place):
    with hide("aborts"):
        run("exit 3")


def warnings_are_hidden(place):
    with hide("warnings"):
        return result(run("exit 3", warn_only=True))


def with_debug(place):
    with show("debug"):
        return result(run("echo hello"))


def failed_with_debug(place):
    with show("debug"):
        return result(run("echo hello; exit 2", warn_only=True))


def commands_hidden(place):
    with hide("commands"):
        return result(run("echo hello"))


def running_hidden(place):
    with hide("running"):
        return result(run("echo hello"))


def stdout_hidden(place):
    with hide("stdout"):
        return result(run("echo hello"))


def output_hidden(place):
    with hide("output"):
        return result(run("echo hello; sleep 0.2; echo err >&2", pty=False, combine_stderr=False))


def stderr_hidden(place):
    with hide("stderr"):
        return result(run("echo hello; sleep 0.2; echo err >&2", pty=False, combine_stderr=False))


def everything_hidden(place):
    with hide("everything"):
        return result(run("echo hello; exit 1", warn_only=True))


def without_prefix(place):
    env.output_prefix = False
    return result(run("echo hello; echo there"))


def by_lines(place):
    env.linewise = True
    return result(run("echo a; sleep 0.2; echo b"))


def unfinished_line(place):
    return [result(run("printf abc")), result(run("printf 'a\\nb'", pty=False))]


def unfinished_line_hidden(place):
    with hide("running"):
        run("printf abc")
        run("printf def")


def nothing_but_newlines(place):
    run("echo")
    run("echo; echo", pty=False)


def stdout_hidden_stderr_shown(place):
    with hide("stdout"):
        run("echo out; echo err >&2", pty=False, combine_stderr=False)


def stderr_only(place):
    run("echo err >&2", pty=False, combine_stderr=False)
    with hide("running"):
        run("echo err >&2", pty=False, combine_stderr=False)


def stderr_unfinished(place):
    run("printf err >&2", pty=False, combine_stderr=False)
    with hide("running"):
        run("printf err >&2", pty=False, combine_stderr=False)


def by_lines_unfinished(place):
    env.linewise = True
    run("printf 'a\nb'; sleep 0.2; printf c; sleep 0.2; printf d")
    run("printf a; sleep 0.2; printf 'b\nc\n'")
    with hide("running"):
        run("printf a; sleep 0.2; printf 'b\nc'")


def by_lines_apart(place):
    env.linewise = True
    run("echo a; sleep 0.2; echo err >&2; sleep 0.2; printf b", pty=False, combine_stderr=False)


def by_pieces(place):
    run("printf a; sleep 0.2; printf b; sleep 0.2; printf '\nc'; sleep 0.2; printf '\n'")


def progress(place):
    run("for i in 1 2 3; do printf '%d\r' $i; sleep 0.2; done; echo done")
    run("printf 'a\r'; sleep 0.2; printf '\nb'; sleep 0.2; printf '\rc\n'", pty=False)


def empty_lines(place):
    run("echo; echo a; echo; echo; echo b")


def without_prefix_unfinished(place):
    env.output_prefix = False
    run("printf abc")
    run("printf 'a\nb'; sleep 0.2; printf c", pty=False)


def without_prefix_hidden(place):
    env.output_prefix = False
    with hide("running"):
        run("echo a")
        run("printf b")


def letters_in_pieces(place):
    return result(run("printf '\\303'; sleep 0.3; printf '\\244\\n'"))


def kept_up_to_of_both(place):
    return result(run("seq 10; seq 10 >&2", pty=False, combine_stderr=False,
                      capture_buffer_size=5))


def to_files_with_prefix_off(place):
    env.output_prefix = False
    out = StringIO()
    run("echo out", stdout=out)
    with hide("stdout"):
        run("echo more", stdout=out)
    return out.getvalue()


def attributes(place):
    text = run("echo a; echo b")
    return [sorted(vars(text)), text.split(), text == "a\r\nb", text.stdout == text,
            type(text).__mro__[1].__name__, text.splitlines()]


def to_one_file(place):
    out = StringIO()
    run("echo out; sleep 0.2; echo err >&2", pty=False, combine_stderr=False, stdout=out,
        stderr=out)
    return out.getvalue()


def terminal_by_env(place):
    env.always_use_pty = True
    return [str(run("tty || true", pty=False))]


def to_files(place):
    out, err = StringIO(), StringIO()
    said = result(run("echo out; echo err >&2", pty=False, combine_stderr=False, stdout=out,
                      stderr=err))
    return [said, out.getvalue(), err.getvalue()]


def to_a_file_on_a_terminal(place):
    out = StringIO()
    said = result(run("echo out; echo err >&2", stdout=out))
    return [said, out.getvalue()]


def kept_up_to(place):
    return result(run("seq 100", capture_buffer_size=20))


def without_shell(place):
    return result(run("echo \"$HOME\" `echo x`", shell=False))


def without_shell_by_env(place):
    env.use_shell = False
    return result(run("echo $HOME"))


def another_shell(place):
    env.shell = "/bin/sh -c"
    return result(run("echo $0 \"a b\""))


def quoting(place):
    return result(run("echo \"$HOME\" `echo x` 'a \"b\" $c' \\\\ \\$x"))


def without_escapes(place):
    return result(run("echo '$HOME'", shell_escape=False))


def with_escapes_but_no_shell(place):
    return result(run("echo \"$HOME\"", shell=False, shell_escape=True))


def several_lines(place):
    return result(run("echo a\necho b"))


def exits_by_signal(place):
    return result(run("kill -9 $$", shell=False, pty=False, warn_only=True))


def exits_by_signal_and_fails(place):
    return result(run("kill -TERM $$", shell=False, pty=False))


def in_time(place):
    return result(run("echo quick", timeout=30))


def too_late(place):
    try:
        run("echo first; sleep 20", timeout=1)
    except CommandTimeout as error:
        return ["timeout", str(error), error.timeout]


def too_late_by_env(place):
    env.command_timeout = 1
    run("sleep 20", pty=False)


def too_late_with_warn_only(place):
    return run("sleep 20", timeout=1, warn_only=True)


def prompts(place):
    env.prompts = {"Name? ": "Ada", "Again? ": "yes"}
    return result(run("printf 'Name? '; read n; printf 'Again? '; read a; echo $n $a"))


def prompts_that_are_text_only(place):
    env.prompts = {"Name? ": "Ada"}
    return result(run("echo 'Name? nobody'"))


def bytes_of_a_command(place):
    return result(run(u"echo \u00e4"))


def one_after_the_other(place):
    return [str(run("echo %d" % n)) for n in range(5)]
