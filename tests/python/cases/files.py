"""`fabric.contrib.files`: what it says, and what the files are then, with their modes."""

import os

from fabric.api import cd, hide, settings
from fabric.contrib.files import (_escape_for_regex, append, comment, contains, exists, first,
                                  is_link, sed, uncomment)

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
