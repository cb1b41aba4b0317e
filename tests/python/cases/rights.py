"""`sudo`. The cases run as root, or as somebody whom sudo asks nothing."""

from fabric.api import cd, env, hide, prefix, settings, shell_env, sudo
from fabric.operations import run

from cases import result


def plain(place):
    return result(sudo("id -un"))


def as_somebody(place):
    return result(sudo("id -un", user="nobody"))


def as_a_number(place):
    return result(sudo("id -u", user="65534"))


def as_an_integer(place):
    return result(sudo("id -u", user=65534))


def in_a_group(place):
    return result(sudo("id -gn", user="nobody", group="daemon"))


def as_env_says(place):
    env.sudo_user = "nobody"
    return [result(sudo("id -un")), result(sudo("id -un", user="root"))]


def fails(place):
    return result(sudo("exit 5"))


def fails_quietly(place):
    return result(sudo("echo x; exit 5", quiet=True))


def fails_with_warning(place):
    return result(sudo("exit 5", warn_only=True))


def without_shell(place):
    return result(sudo("id -un", shell=False))


def without_terminal(place):
    return result(sudo("id -un; sleep 0.2; echo err >&2", pty=False, combine_stderr=False))


def in_context(place):
    with settings(cd("/usr"), prefix("echo before"), shell_env(A="x y")):
        return result(sudo("pwd; echo $A"))


def in_time(place):
    sudo("sleep 20", timeout=1)


def hidden(place):
    with hide("running", "stdout"):
        return result(sudo("id -un"))


def prefix_of_ones_own(place):
    env.sudo_prefix = "env A=b "
    return result(sudo("echo $A"))


def prompt_of_ones_own(place):
    env.sudo_prompt = "mine:"
    return result(sudo("echo hello"))


def answered_by_sudo_password(place):
    env.sudo_password = "open"
    return result(run("printf 'sudo password:'; read x; echo got $x"))


def answered_by_password(place):
    env.password = "sesame"
    return result(run("printf 'sudo password:'; read x; echo got $x"))


def answered_without_echo(place):
    env.sudo_password = "open"
    return result(run("printf 'sudo password:'; stty -echo; read x; stty echo; echo; echo got $x"))
