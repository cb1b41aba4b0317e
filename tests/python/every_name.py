"""Every name of Fabric 1 that public fabfiles and libraries were seen to use, each used once.

A use is an expression in which `it` is what the name stands for, and whose value must be true; or a
function that takes it. What is missing, or does otherwise, is printed.
"""

import importlib
import os
import sys
import tempfile
import traceback

USES = {
    # What `from fabric.api import *` gives, by use in public repositories.
    "fabric.api.env": "it.host_string and it is run_env()",
    "fabric.api.run": "it('echo hello') == 'hello'",
    "fabric.api.task": "it(lambda: 5)() == 5 and it(name='x')(lambda: 5).name == 'x'",
    "fabric.api.cd": "inside(it('/usr'), lambda: run('pwd')) == '/usr'",
    "fabric.api.settings": "inside(it(mine=1), lambda: env.mine) == 1 and 'mine' not in env",
    "fabric.api.sudo": "it('id -u') == '0'",
    "fabric.api.local": "it('echo here', capture=True) == 'here'",
    "fabric.api.put": "list(it(here('put'), there('put'))) == [there('put')]",
    "fabric.api.hide": "inside(it('running'), lambda: output.running) is False",
    "fabric.api.prefix": "inside(it('A=b'), lambda: run('echo $A')) == 'b'",
    "fabric.api.abort": "raised(lambda: it('why')) == (SystemExit, 'why')",
    "fabric.api.get": "list(it(there('got'), here_too('got'))) == [here_too('got')]",
    "fabric.api.execute": "it(lambda: 5) == {env.host_string: 5}",
    "fabric.api.prompt": "it('What is it?') == 'an answer' and it('Key:', key='k') and env.k == 'v'",
    "fabric.api.lcd": "inside(it('/usr'), lambda: local('pwd', capture=True)) == '/usr'",
    "fabric.api.roles": "it('a')(lambda: 5)() == 5",
    "fabric.api.hosts": "it('a', 'b')(lambda: 5)() == 5",
    "fabric.api.shell_env": "inside(it(A='b'), lambda: run('echo $A')) == 'b'",
    "fabric.api.require": "it('host_string') is None and raised(lambda: it('no'))[0] is SystemExit",
    "fabric.api.output": "it.warnings is True and it.running is False",
    "fabric.api.parallel": "it(lambda: 5)() == 5 and it(pool_size=2)(lambda: 5)() == 5",
    "fabric.api.path": "inside(it('/my'), lambda: run('echo $PATH')).endswith('/my')",
    "fabric.api.puts": "it('a line') is None",
    "fabric.api.fastprint": "it('.') is None",
    "fabric.api.warn_only": "inside(it(), lambda: run('exit 3')).return_code == 3",
    "fabric.api.quiet": "inside(it(), lambda: run('exit 3')).failed",
    "fabric.api.runs_once": "it(lambda: 5)() == 5",
    "fabric.api.serial": "it(lambda: 5)() == 5",
    "fabric.api.warn": "it('careful') is None",
    "fabric.api.show": "inside(it('debug'), lambda: output.debug) is True",
    "fabric.api.with_settings": "it(mine=1)(lambda: env.mine)() == 1",
    # It would do it.
    "fabric.api.reboot": "callable(it)",
    "fabric.api.open_shell": "callable(it)",
    "fabric.api.remote_tunnel": "callable(it)",
    # The same, from where they are at home.
    "fabric.state.env": "it is env",
    "fabric.state.output": "it is output",
    "fabric.operations.run": "it is run",
    "fabric.operations.sudo": "it is sudo",
    "fabric.operations.put": "callable(it)",
    "fabric.operations.get": "callable(it)",
    "fabric.operations.local": "it is local",
    "fabric.operations.prompt": "callable(it)",
    "fabric.operations.require": "callable(it)",
    "fabric.operations.reboot": "callable(it)",
    "fabric.operations.open_shell": "callable(it)",
    "fabric.context_managers.cd": "inside(it('/usr'), lambda: env.cwd) == '/usr'",
    "fabric.context_managers.lcd": "inside(it('/usr'), lambda: env.lcwd) == '/usr'",
    "fabric.context_managers.prefix": "inside(it('a'), lambda: list(env.command_prefixes)) == ['a']",
    "fabric.context_managers.settings": "inside(it(), lambda: 5) == 5",
    "fabric.context_managers.hide": "inside(it('everything'), lambda: output.stdout) is False",
    "fabric.context_managers.show": "inside(it('everything'), lambda: output.stdout) is True",
    "fabric.context_managers.path": "callable(it)",
    "fabric.context_managers.quiet": "callable(it)",
    "fabric.context_managers.warn_only": "callable(it)",
    "fabric.context_managers.shell_env": "inside(it(A='b'), lambda: env.shell_env['A']) == 'b'",
    "fabric.context_managers.char_buffered": "callable(it)",
    "fabric.context_managers.remote_tunnel": "callable(it)",
    "fabric.decorators.task": "it(lambda: 5)() == 5",
    "fabric.decorators.hosts": "it('a')(lambda: 5).hosts == ['a']",
    "fabric.decorators.roles": "it('a')(lambda: 5).roles == ['a']",
    "fabric.decorators.runs_once": "it(lambda: 5)() == 5",
    "fabric.decorators.serial": "it(lambda: 5).serial",
    "fabric.decorators.parallel": "it(lambda: 5).parallel",
    "fabric.decorators.with_settings": "it()(lambda: 5)() == 5",
    "fabric.utils.abort": "raised(lambda: it('why')) == (SystemExit, 'why')",
    "fabric.utils.warn": "it('careful') is None",
    "fabric.utils.puts": "it('a line') is None",
    "fabric.utils.fastprint": "it('.') is None",
    "fabric.utils.indent": "it('a') == '    a'",
    "fabric.utils.error": "raised(lambda: it('why')) == (SystemExit, 'why')",
    "fabric.utils.apply_lcwd": "inside(lcd('/usr'), lambda: it('a', env)) == '/usr/a'",
    "fabric.colors.red": "'text' in it('text') and 'text' in it('text', bold=True)",
    "fabric.colors.green": "'text' in it('text')",
    "fabric.colors.yellow": "'text' in it('text')",
    "fabric.colors.blue": "'text' in it('text')",
    "fabric.colors.magenta": "'text' in it('text')",
    "fabric.colors.cyan": "'text' in it('text')",
    "fabric.colors.white": "'text' in it('text')",
    # fabric.contrib.
    "fabric.contrib.files.exists": "it('/usr') and not it('/no')",
    "fabric.contrib.files.is_link": "not it('/usr/.')",
    "fabric.contrib.files.first": "it('/no', '/usr') == '/usr'",
    "fabric.contrib.files.contains": "it(there('got'), 'text')",
    "fabric.contrib.files.append": "it(there('got'), 'more') is None and read('got') == 'text\\nmore\\n'",
    "fabric.contrib.files.comment": "it(there('comment'), 'text').succeeded and read('comment') == '#text\\n'",
    "fabric.contrib.files.uncomment": "it(there('un'), 'text').succeeded",
    "fabric.contrib.files.sed": "it(there('sed'), 'text', 'words').succeeded and read('sed') == 'words\\n'",
    "fabric.contrib.files.upload_template": "it(here('t'), there('t'), {'a': 1}) and read('t') == 'text\\n'",
    "fabric.contrib.console.confirm": "it('Sure?') is True and it('Really?') is False",
    "fabric.contrib.project.rsync_project": "callable(it)",
    "fabric.contrib.project.upload_project": "it(directory('here') + '/sub', directory('there')) is None and read('sub/file') == 'text\\n'",
    "fabric.contrib.django.settings_module": "it('a.b') is None",
    "fabric.contrib.django.project": "it('a') is None",
    # Tasks as objects.
    "fabric.tasks.Task": "callable(it().run) and it(name='x').name == 'x'",
    "fabric.tasks.WrappedCallableTask": "it(lambda: 5).run() == 5",
    "fabric.tasks.execute": "it(lambda: 5) == {env.host_string: 5}",
    "fabric.tasks.requires_parallel": "not it(lambda: 5)",
    "fabric.tasks.get_task_details": "'Arguments: x' in it(lambda x: 5)",
    # What libraries import besides.
    "fabric.operations._AttributeString": "it('text') == 'text'",
    "fabric.operations._AttributeList": "it([1]) == [1]",
    "fabric.operations._run_command": "it('echo hello') == 'hello'",
    "fabric.operations._execute": "callable(it)",
    "fabric.operations._shell_escape": "it('a \"b\"') == 'a \\\\\"b\\\\\"'",
    "fabric.operations._shell_wrap": "it('a', True) == '/bin/bash -l -c \"a\"'",
    "fabric.operations._sudo_prefix": "it('me').startswith('sudo ')",
    "fabric.operations._prefix_commands": "it('a', 'remote') == 'a'",
    "fabric.operations._prefix_env_vars": "it('a') == 'a'",
    "fabric.version.VERSION": "it[0] == 1 and it[1] >= 7",
    "fabric.version.get_version": "it('short').startswith('1.')",
    "fabric.state.default_channel": "callable(it)",
    "fabric.state.connections": "'nobody' not in it",
    "fabric.state.commands": "isinstance(it, dict)",
    "fabric.state.win32": "it is False",
    "fabric.network.disconnect_all": "it() is None",
    "fabric.network.normalize": "it('me@there:5') == ('me', 'there', '5')",
    "fabric.network.denormalize": "it('me@there:5') == 'me@there:5'",
    "fabric.network.join_host_strings": "it('me', 'there', 5) == 'me@there:5'",
    "fabric.network.parse_host_string": "it('me@there:5')['host'] == 'there'",
    "fabric.network.to_dict": "it('me@there:5')['port'] == '5'",
    "fabric.network.needs_host": "it(lambda: 5)() == 5",
    "fabric.network.ssh_config": "callable(it)",
    "fabric.network.key_filenames": "callable(it)",
    "fabric.exceptions.NetworkError": "issubclass(it, Exception)",
    "fabric.exceptions.CommandTimeout": "raised(lambda: run('sleep 9', timeout=1))[0] is it",
    "fabric.task_utils.crawl": "it('a.b', {'a': {'b': 5}}) == 5",
    "fabric.task_utils.merge": "it(['a'], [], [], {}) == ['a']",
    "fabric.task_utils.parse_kwargs": "it({'host': 'a'})[1] == ['a']",
    "fabric.task_utils._Dict": "it() == {}",
    "fabric.auth.get_password": "it('me', 'there', '22') is None",
    "fabric.auth.set_password": "callable(it)",
    "fabric.thread_handling.ThreadHandler": "it('name', int).raise_if_needed() is None",
    "fabric.sftp.SFTP": "it(env.host_string).exists('/usr') and it(env.host_string).isdir('/usr')",
    "fabric.job_queue.JobQueue": "callable(it)",
    "fabric.io.output_loop": "callable(it)",
    "fabric.io.input_loop": "callable(it)",
    "fabric.io.CommandTimeout": "issubclass(it, Exception)",
    "fabric.io.env": "it is env",
    "fabric.main.load_settings": "it('/no') == {}",
    "fabric.main.is_task_object": "not it(5)",
    "fabric.main.is_task_module": "not it(5)",
    "fabric.main.load_fabfile": "callable(it)",
    "fabric.main.find_fabfile": "callable(it)",
    "fabric.main.load_tasks_from_module": "callable(it)",
    "fabric.main.extract_tasks": "callable(it)",
    "fabric.main.list_commands": "isinstance(it('', 'short'), list)",
    "fabric.main.show_commands": "callable(it)",
    "fabric.main._task_names": "it({'a': len}) == ['a']",
    "fabric.main.main": "callable(it)",
    # Loom's own, which users' tasks import.
    "loom.system.gethostip": "it('localhost') in ('127.0.0.1', '::1')",
    "loom.system.run_daemon_cmd": "callable(it)",
    "loom.system.mount": "callable(it)",
    "loom.system.unmount": "callable(it)",
    "loom.system.add_sshfs_mount": "it() is None",
}

# Which env is asked for, and what must come.
KEYS = {
    "warn_only": "it is False",
    "user": "it",
    "hosts": "it == [env.host_string]",
    "all_hosts": "it == [env.host_string]",
    "host_string": "it",
    "key_filename": "it is None",
    "host": "it",
    "port": "int(it) > 0",
    "roledefs": "it == {}",
    "use_ssh_config": "it is False",
    "password": "it is None",
    "passwords": "it == {}",
    "sudo_user": "it is None",
    "shell": "it == '/bin/bash -l -c'",
    "sudo_prefix": "'sudo' in it",
    "cwd": "it == ''",
    "lcwd": "it == ''",
    "command_prefixes": "it == []",
    "ok_ret_codes": "it == [0]",
    "parallel": "it is False",
    "roles": "it == []",
    "effective_roles": "it == []",
    "abort_on_prompts": "it is False",
    "prompts": "it == {}",
    "gateway": "it is None",
    "forward_agent": "it is False",
    "disable_known_hosts": "it is False",
    "combine_stderr": "it is True",
    "use_shell": "it is True",
    "always_use_pty": "it is True",
    "timeout": "it > 0",
    "command_timeout": "it is None",
    "connection_attempts": "it > 0",
    "path": "it == ''",
    "shell_env": "it == {}",
    "skip_bad_hosts": "it is False",
    "local_user": "it",
    "real_fabfile": "it.endswith('every_name.py')",
    "version": "it.startswith('1.')",
}

# What a result says of itself.
ATTRIBUTES = {
    "failed": "it is True",
    "succeeded": "it is False",
    "stdout": "it == 'out'",
    "return_code": "it == 3",
    "stderr": "it == 'err'",
    "command": "'echo out' in it",
    "real_command": "it.startswith('/bin/bash -l -c ')",
}


def check():
    """Uses them all; fails if any is missing."""
    from fabric.api import env, hide, run, settings
    tools = _tools()
    missing, count = [], 0

    def use(name, found, expression):
        before = dict(env)
        try:
            assert eval(expression, dict(tools, it=found())), expression
        except BaseException as error:
            traceback.print_exc()
            missing.append("%s: %s: %s" % (name, type(error).__name__, error))
        finally:
            env.clear()
            env.update(before)

    with hide("running", "stdout"):
        for key in KEYS:
            use("env." + key, lambda: env[key], KEYS[key])
        for name in USES:
            module, _, last = name.rpartition(".")
            use(name, lambda: getattr(importlib.import_module(module), last), USES[name])
        with settings(warn_only=True):
            result = run("echo out; echo err >&2; exit 3", pty=False, combine_stderr=False)
        for name in ATTRIBUTES:
            use("the result's " + name, lambda: getattr(result, name), ATTRIBUTES[name])
    sys.stdout.flush()
    count = len(KEYS) + len(USES) + len(ATTRIBUTES)
    for line in missing:
        print("missing: " + line)
    assert not missing, "%d of %d names are missing" % (len(missing), count)
    return "%d names" % count


def _tools():
    """What the expressions are made of."""
    from fabric import api
    roots = dict((side, tempfile.mkdtemp(prefix="loom-names.")) for side in ("here", "there"))

    def write(side, name, text="text\n"):
        path = os.path.join(roots[side], name)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "w") as file:
            file.write(text)
        return path

    for name in ("put", "t", "sub/file"):
        write("here", name)
    for name in ("got", "comment", "un", "sed"):
        write("there", name)

    def read(name):
        with open(os.path.join(roots["there"], name)) as file:
            return file.read()

    def inside(manager, what):
        with manager:
            return what()

    def raised(what):
        try:
            what()
        except BaseException as error:
            return type(error), getattr(error, "message", None)

    return {
        "env": api.env,
        "run_env": lambda: importlib.import_module("fabric.operations").env,
        "output": api.output,
        "run": api.run,
        "sudo": api.sudo,
        "local": api.local,
        "lcd": api.lcd,
        "inside": inside,
        "raised": raised,
        "read": read,
        "directory": roots.get,
        "here": lambda name: os.path.join(roots["here"], name),
        "here_too": lambda name: os.path.join(roots["here"], "too", name),
        "there": lambda name: os.path.join(roots["there"], name),
    }
