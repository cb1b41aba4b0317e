"""`local`."""

from fabric.api import env, hide, lcd, local, prefix, settings, show, warn_only

from cases import result


def not_captured(place):
    return result(local("true"))


def not_captured_fails(place):
    return result(local("exit 3"))


def captured(place):
    return result(local("echo out; echo err >&2", capture=True))


def captured_and_stripped(place):
    return result(local("printf '\\n a \\n\\n'", capture=True))


def captured_fails(place):
    return result(local("echo out; echo err >&2; exit 3", capture=True))


def captured_fails_with_warning(place):
    with warn_only():
        return result(local("echo out; echo err >&2; exit 3", capture=True))


def fails_with_warning(place):
    with settings(warn_only=True):
        return result(local("exit 3"))


def ok_codes(place):
    env.ok_ret_codes = [3]
    return result(local("exit 3"))


def by_signal(place):
    with warn_only():
        return result(local("kill -9 $$", capture=True))


def in_bash(place):
    return result(local("[[ a == a ]] && echo ${BASH_VERSION:+bash}", capture=True,
                        shell="/bin/bash"))


def hidden(place):
    with hide("running"):
        return result(local("true"))


def output_hidden(place):
    with hide("output"):
        return result(local("echo hidden; echo hidden >&2"))


def fails_hidden(place):
    with hide("output"):
        return result(local("echo x; echo y >&2; exit 3"))


def captured_fails_hidden(place):
    with hide("output"):
        return result(local("echo x; echo y >&2; exit 3", capture=True))


def captured_fails_with_one_hidden(place):
    with hide("stderr"):
        return result(local("echo x; echo y >&2; exit 3", capture=True))


def with_debug(place):
    with show("debug"):
        with lcd("/"):
            return result(local("true", capture=True))


def not_text(place):
    return len(local("printf 'a\\377b'", capture=True))


def in_directory(place):
    with lcd(place.here):
        return result(local("pwd", capture=True))


def in_a_directory_with_blanks(place):
    local("mkdir '%s/a b'" % place.here)
    with lcd(place.here):
        with lcd("a b"):
            return result(local("pwd", capture=True))


def prefixed(place):
    with prefix("echo before"):
        return result(local("echo after", capture=True))


def not_ascii(place):
    return local("printf '\\303\\244'", capture=True) == u"\u00e4"


def missing_command(place):
    with warn_only():
        return result(local("nobody-has-this 2>/dev/null", capture=True))
