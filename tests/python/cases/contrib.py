"""`fabric.contrib.files`: what it says, and what the files are then, with their modes."""

import os
import sys

from fabric.api import cd, env, hide, lcd, settings
from fabric.contrib.console import confirm
from fabric.contrib.files import (_escape_for_regex, append, comment, contains, exists, first,
                                  is_link, sed, uncomment, upload_template)

from cases.talking import _answered

LINES = "one\ntwo $x\nThree.\n"
SPECIAL = "a'b\"c`d\\e/f*[g](h){i}|j+k?l.m^n$o&p~q#r%s@t!u-v=w:x;y<z>,_ "


def _file(place, text=LINES, name="f"):
    return place.write_there(name, text)


def _there(place):
    """Every name with its mode and what is in it, or where it leads."""
    found = {}
    for name in sorted(os.listdir(place.there)):
        path = os.path.join(place.there, name)
        status = os.lstat(path)
        text = os.readlink(path) if os.path.islink(path) else place.read_there(name)
        found[name] = ["%o" % status.st_mode, text]
    return found


def _said(value):
    return [str(value), value.succeeded, value.return_code, value.command]


# exists, is_link, first

def exists_or_not(place):
    path = _file(place)
    return [exists(path), exists(path + ".no"), exists(place.there), exists(path, use_sudo=True)]


def exists_verbose(place):
    with hide("stdout"):
        return exists(_file(place), verbose=True) and exists(place.there + "/no", verbose=True)


def exists_relative(place):
    _file(place)
    with cd(place.there):
        return [exists("f"), exists("g"), exists("./f")]


def exists_by_odd_names(place):
    path = _file(place, name="a b")
    return [exists(path), exists(place.there + "/a*"), exists("~"), exists("$HOME"),
            exists("/it's"), exists('/a"b'), exists("")]


def exists_as_a_link(place):
    os.symlink("nowhere", place.there + "/l")
    return [exists(place.there + "/l"), is_link(place.there + "/l"), is_link(place.there)]


def is_link_to_a_file(place):
    os.symlink("f", _file(place) + ".l")
    return [is_link(place.there + "/f.l"), is_link(place.there + "/f"),
            is_link(place.there + "/f.l", use_sudo=True), is_link("/no", verbose=True)]


def first_of_several(place):
    path = _file(place)
    return [first("/no", path, "/tmp"), first("/no"), first("/no", path, use_sudo=True), first()]


def asked_with_warn_only_and_without(place):
    with settings(warn_only=False):
        before = exists("/no")
    with settings(warn_only=True):
        return [before, exists("/no"), contains("/no", "x")]


# contains

def contains_text(place):
    path = _file(place)
    return [contains(path, text) for text in ("two", "two $x", "four", "One", "Three.", "")]


def contains_exactly(place):
    path = _file(place)
    return [contains(path, text, exact=True) for text in ("one", "on", "two $x", "Three", "Three.")]


def contains_escaped_or_not(place):
    path = _file(place)
    return [contains(path, text, escape=escape)
            for text in ("o.e", "^one$", "(one|six)", "e+", "two [$]x") for escape in (True, False)]


def contains_exactly_a_pattern(place):
    path = _file(place)
    return [contains(path, "n.", escape=False, exact=True), contains(path, "n.", exact=True)]


def contains_in_a_shell(place):
    path = _file(place)
    return [contains(path, text, shell=True, exact=exact)
            for text in ("two $x", "one", "two") for exact in (True, False)]


def contains_in_any_case(place):
    path = _file(place)
    return [contains(path, "ONE", case_sensitive=False), contains(path, "ONE"),
            contains(path, "THREE.", case_sensitive=False, exact=True, shell=True)]


def contains_with_rights(place):
    path = _file(place)
    return [contains(path, "one", use_sudo=True), contains(path, "six", use_sudo=True)]


def contains_in_no_file(place):
    return [contains(place.there + "/no", "x"), contains(place.there, "x")]


def contains_odd_text(place):
    path = _file(place, "%s\n" % SPECIAL, name="a b")
    return [contains(path, SPECIAL), contains(path, SPECIAL, exact=True),
            contains(path, SPECIAL[1:], exact=True), contains(path, SPECIAL, shell=True),
            contains(path, "a'b\"\nc`d")]


def contains_each_character(place):
    path = _file(place, "<%s>\n" % ">\n<".join(SPECIAL))
    return [[char, contains(path, "<%s>" % char, exact=True)] for char in SPECIAL]


def escapes(place):
    return [_escape_for_regex(SPECIAL + "\t\nend")]


# append

def append_a_line(place):
    return [append(_file(place), "four"), _there(place)]


def append_what_is_there(place):
    return [append(_file(place), "two $x"), _there(place)]


def append_several(place):
    return [append(_file(place), ["one", "four", "fi've", "four"]), _there(place)]


def append_a_tuple(place):
    return [append(_file(place), ("a", "b")), _there(place)]


def append_nothing(place):
    return [append(_file(place), ""), append(place.there + "/f", []), _there(place)]


def append_part_of_a_line(place):
    return [append(_file(place), "on"), _there(place)]


def append_partial(place):
    path = _file(place)
    return [append(path, "on", partial=True), append(path, "ne", partial=True),
            append(path, "one more", partial=True), _there(place)]


def append_to_a_new_file(place):
    return [append(place.there + "/new", SPECIAL), _there(place)]


def append_odd_text_twice(place):
    path = _file(place, name="a b")
    return [append(path, SPECIAL), append(path, SPECIAL), _there(place)]


def append_in_a_shell(place):
    path = _file(place)
    return [append(path, SPECIAL, shell=True), append(path, SPECIAL, shell=True), _there(place)]


def append_unescaped(place):
    path = _file(place)
    return [append(path, "t.o", escape=False), append(path, "z '`echo q`'", escape=False),
            _there(place)]


def append_unescaped_nonsense(place):
    append(_file(place), "a'b", escape=False)


def append_with_rights(place):
    return [append(_file(place), "z", use_sudo=True), _there(place)]


def append_after_no_newline(place):
    return [append(_file(place, "no end"), "a"), _there(place)]


def append_two_lines_as_one(place):
    path = _file(place)
    return [append(path, "a\nb"), append(path, "a\nb"), _there(place)]


def append_relative(place):
    _file(place)
    with cd(place.there):
        return [append("f", "four"), _there(place)]


def append_through_a_link(place):
    os.symlink("f", _file(place) + ".l")
    return [append(place.there + "/f.l", "four"), _there(place)]


def append_to_nowhere(place):
    append(place.there + "/no/f", "q")


def append_to_nowhere_with_warning(place):
    with settings(warn_only=True):
        return append(place.there + "/no/f", "q")


def append_a_number(place):
    append(_file(place), 5)


# sed

def sed_plain(place):
    return [_said(sed(_file(place), "two", "2")), _there(place)]


def sed_everywhere(place):
    return [_said(sed(_file(place), "o", "0")), _there(place)]


def sed_limited(place):
    return [_said(sed(_file(place), "o", "0", limit="^two")), _there(place)]


def sed_with_flags(place):
    return [_said(sed(_file(place), "T", "x", flags="i")), _there(place)]


def sed_without_backup(place):
    return [_said(sed(_file(place), "o", "0", backup="")), _there(place)]


def sed_with_another_backup(place):
    place.write_there("f.old", "older", 0o600)
    return [_said(sed(_file(place), "o", "0", backup=".old")), _there(place)]


def sed_with_groups(place):
    return [_said(sed(_file(place), "(t)(w)", r"\2\1")), _there(place)]


def sed_with_slashes_and_more(place):
    path = _file(place, "a/b|c\n")
    return [_said(sed(path, "a/b[|]c", 'x/y "d" $e `f` & (g)')), _there(place)]


def sed_in_a_shell(place):
    return [_said(sed(_file(place), "one", "$HOME `id`", shell=True)), _there(place)]


def sed_with_rights(place):
    return [_said(sed(_file(place), "one", "1", use_sudo=True)), _there(place)]


def sed_with_a_quote(place):
    # What a shell is called in its own messages differs.
    with hide("stdout"), settings(warn_only=True):
        return [sed(_file(place), "one", "it's").return_code, _there(place)]


def sed_with_a_bad_limit(place):
    sed(_file(place), "o", "0", limit="a/b")


def sed_in_no_file(place):
    sed(place.there + "/no", "a", "b")


def sed_in_no_file_with_warning(place):
    with settings(warn_only=True):
        return _said(sed(place.there + "/no", "a", "b"))


def sed_that_matches_nothing(place):
    return [_said(sed(_file(place), "six", "6")), _there(place)]


def sed_relative_and_blank(place):
    _file(place, name="a b")
    with cd(place.there):
        return [_said(sed("a b", "one", "1")), _there(place)]


def sed_a_link(place):
    os.symlink("f", _file(place) + ".l")
    return [_said(sed(place.there + "/f.l", "one", "1")), _there(place)]


# comment, uncomment

def comment_a_word(place):
    return [_said(comment(_file(place), "two")), _there(place)]


def comment_a_line(place):
    return [_said(comment(_file(place), "^two.*$")), _there(place)]


def comment_at_one_end(place):
    path = _file(place)
    return [_said(comment(path, "^T")), _said(comment(path, r"two \$x$")), _there(place)]


def comment_otherwise(place):
    return [_said(comment(_file(place), "one", use_sudo=True, char="// ", backup="")),
            _there(place)]


def comment_with_groups_and_slashes(place):
    path = _file(place, "a/b\none\n")
    return [_said(comment(path, "(o)(n)e", shell=True)), _said(comment(path, "a/b", backup=".o")),
            _there(place)]


COMMENTS = "#one\n  # two\n#   one\n##one\n;semi\n//x\n one # one\n"


def uncomment_a_word(place):
    return [_said(uncomment(_file(place, COMMENTS), "one")), _there(place)]


def uncomment_indented(place):
    return [_said(uncomment(_file(place, COMMENTS), "two", use_sudo=True)), _there(place)]


def uncomment_by_another_char(place):
    path = _file(place, COMMENTS)
    return [_said(uncomment(path, "semi", char=";", backup=".o")),
            _said(uncomment(path, "x", char="//", backup="", shell=True)), _there(place)]


def uncomment_anchored(place):
    return [_said(uncomment(_file(place, COMMENTS), "^one$")), _there(place)]


def comment_and_back(place):
    path = _file(place)
    comment(path, "^two")
    uncomment(path, "two")
    return _there(place)


# upload_template

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


# confirm

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
