"""`upload_template`: what becomes of a file on the node, and of the one that was there."""

import os
import sys

from fabric.api import cd, hide, lcd
from fabric.contrib.files import upload_template

from cases.files import _file, _there


def _template(place, text="a %(b)s 100%%\n", name="t.conf", mode=0o644):
    return place.write(name, text, mode)


def _sent(value):
    return [list(value), value.failed, value.succeeded]


def template_new(place):
    return [_sent(upload_template(_template(place), place.there + "/f", {"b": "B"})), _there(place)]


def template_over_a_file(place):
    path = _file(place)
    return [_sent(upload_template(_template(place), path, {"b": "B"})), _there(place)]


def template_over_a_file_and_its_backup(place):
    path = _file(place)
    place.write_there("f.bak", "older, and longer than what comes now\n", 0o600)
    return [_sent(upload_template(_template(place), path, {"b": "B"})), _there(place)]


def template_into_a_directory(place):
    place.write_there("t.conf", "old\n")
    return [_sent(upload_template(_template(place), place.there, {"b": "B"})),
            _sent(upload_template(_template(place), place.there + "/", {"b": 5}, backup=False)),
            _there(place)]


def template_without_context(place):
    source = _template(place, "100% $x {{ b }}\n\n")
    return [_sent(upload_template(source, place.there + "/f")),
            _sent(upload_template(source, place.there + "/g", {})), _there(place)]


def template_with_a_missing_value(place):
    return upload_template(_template(place), _file(place), {"c": 1})


def template_with_a_bad_format(place):
    return upload_template(_template(place, "100% $x\n"), _file(place), {"c": 1})


def template_without_backup(place):
    return [_sent(upload_template(_template(place), _file(place), {"b": "B"}, backup=False)),
            _there(place)]


def template_with_a_mode(place):
    source = _template(place)
    return [_sent(upload_template(source, place.there + "/f", {"b": 1}, mode=0o600)),
            _sent(upload_template(source, place.there + "/g", {"b": 1}, mode="0640")),
            _sent(upload_template(source, place.there + "/g", {"b": 1}, mode=0o700)), _there(place)]


def template_with_the_local_mode(place):
    source = _template(place, "#!/bin/sh\n", mode=0o755)
    return [_sent(upload_template(source, place.there + "/f", mirror_local_mode=True)),
            _sent(upload_template(source, _file(place, name="g"), mirror_local_mode=True)),
            _there(place)]


def template_with_rights(place):
    return [_sent(upload_template(_template(place), place.there + "/f", {"b": 1}, use_sudo=True)),
            _there(place)]


def template_with_rights_over_a_file(place):
    source = _template(place)
    return [_sent(upload_template(source, _file(place), {"b": 1}, use_sudo=True, mode=0o600)),
            _there(place)]


def template_from_a_directory(place):
    _template(place)
    return [_sent(upload_template("t.conf", place.there + "/f", {"b": 1}, template_dir=place.here)),
            _there(place)]


def template_from_the_current_directory(place):
    _template(place)
    os.chdir(place.here)
    return [_sent(upload_template("t.conf", place.there + "/f", {"b": 1})), _there(place)]


def template_where_lcd_says(place):
    _template(place, name="sub/t.conf")
    with lcd(place.here):
        return [_sent(upload_template("sub/t.conf", place.there + "/f", {"b": 1})),
                _sent(upload_template("t.conf", place.there + "/g", {"b": 1}, template_dir="sub")),
                _there(place)]


def template_where_cd_says(place):
    source = _template(place)
    _file(place)
    with cd(place.there):
        return [_sent(upload_template(source, "f", {"b": 1})), _there(place)]


def template_to_a_name_with_blanks(place):
    source = _template(place)
    path = _file(place, name="a b")
    return [_sent(upload_template(source, path, {"b": 1}, pty=False)), _there(place)]


def template_with_returns(place):
    return [_sent(upload_template(_template(place, "a\r\nb %(b)s\r\n"), place.there + "/f",
                                  {"b": 1})), _there(place)]


def template_missing(place):
    try:
        upload_template("no.conf", _file(place), {"b": 1}, template_dir=place.here)
    except (IOError, OSError) as error:
        return [error.errno, _there(place)]


def template_to_nowhere(place):
    try:
        with hide("aborts"):
            upload_template(_template(place), place.there + "/no/f", {"b": 1})
    except SystemExit as error:
        return [error.code, _there(place)]


class _Jinja(object):
    """Stands in for jinja2, which not every interpreter has: knows `{{ b }}` and nothing else."""

    class FileSystemLoader(object):
        def __init__(self, path):
            self.path = path

    class Environment(object):
        def __init__(self, loader=None, keep_trailing_newline=False, **others):
            assert not others, others
            self.path, self.keep = loader.path, keep_trailing_newline

        def get_template(self, name):
            with open(os.path.join(self.path, name)) as file:
                self.text = file.read()
            return self

        def render(self, *args, **kwargs):
            text = self.text.replace("{{ b }}", str(dict(*args, **kwargs).get("b", "")))
            return text[:-1] if text.endswith("\n") and not self.keep else text


def _by_jinja(*args, **kwargs):
    before = sys.modules.get("jinja2")
    sys.modules["jinja2"] = _Jinja
    try:
        return _sent(upload_template(*args, **dict(kwargs, use_jinja=True)))
    finally:
        del sys.modules["jinja2"]
        if before is not None:
            sys.modules["jinja2"] = before


def jinja(place):
    _template(place, "{{ b }}!\n\n")
    return [_by_jinja("t.conf", _file(place), {"b": "<B>"}, template_dir=place.here),
            _by_jinja("t.conf", place.there + "/g", template_dir=place.here), _there(place)]


def jinja_keeps_the_newline(place):
    _template(place, "{{ b }}!\n\n")
    return [_by_jinja("t.conf", place.there, {"b": 1}, mode=0o600, template_dir=place.here,
                      keep_trailing_newline=True), _there(place)]


def jinja_from_elsewhere(place):
    _template(place, "{{ b }}!\n", "sub/t.conf")
    os.chdir(place.here)
    from_here = _by_jinja("sub/t.conf", place.there + "/f", {"b": 1})
    os.chdir("/")
    with lcd(place.here):
        return [from_here, _by_jinja("t.conf", place.there, {"b": 2}, template_dir="sub"),
                _there(place)]


def jinja_missing_template(place):
    try:
        _by_jinja("no", _file(place), {}, template_dir=place.here)
    except Exception as error:
        return [error.errno, _there(place)]
