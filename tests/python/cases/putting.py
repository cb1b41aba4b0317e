"""`put`."""

import os

from fabric.api import cd, env, hide, lcd, put, settings

from cases import StringIO


def _listed(place, uploaded):
    modes = {}
    for name in place.tree_there():
        path = os.path.join(place.there, name)
        if os.path.isfile(path):
            modes[name] = "%o" % (os.stat(path).st_mode & 0o7777)
    return {"list": sorted(uploaded), "failed": uploaded.failed, "succeeded": uploaded.succeeded,
            "there": place.tree_there(), "modes": modes}


def to_a_new_name(place):
    return _listed(place, put(place.write("a"), place.there + "/b", mode=0o644))


def to_a_directory(place):
    return _listed(place, put(place.write("a"), place.there, mode=0o644))


def to_a_directory_with_slash(place):
    return _listed(place, put(place.write("a"), place.there + "/", mode=0o644))


def over_a_file(place):
    place.write_there("a", "old\n", 0o600)
    return _listed(place, put(place.write("a"), place.there + "/a"))


def mode_as_text(place):
    return _listed(place, put(place.write("a"), place.there + "/b", mode="0751"))


def mode_as_number(place):
    return _listed(place, put(place.write("a"), place.there + "/b", mode=0o4751))


def mode_of_the_local_file(place):
    path = place.write("a", mode=0o751)
    return _listed(place, put(path, place.there + "/b", mirror_local_mode=True))


def pattern(place):
    for name in ("a.txt", "b.txt", "c.bin", ".d.txt"):
        place.write(name, name)
    return _listed(place, put(place.here + "/*.txt", place.there, mode=0o644))


def pattern_that_matches_nothing(place):
    return _listed(place, put(place.here + "/*.txt", place.there))


def pattern_taken_literally(place):
    place.write("[x]", "x")
    return _listed(place, put(place.here + "/[x]", place.there + "/y", use_glob=False, mode=0o644))


def missing_file(place):
    return _listed(place, put(place.here + "/nobody", place.there))


def directory(place):
    place.write("d/a")
    place.write("d/e/b")
    os.mkdir(place.here + "/d/empty")
    uploaded = put(place.here + "/d", place.there, mode=0o644)
    return _listed(place, uploaded)


def directory_with_slash(place):
    place.write("d/a")
    return _listed(place, put(place.here + "/d/", place.there, mode=0o644))


def below_nothing(place):
    return _listed(place, put(place.write("a"), place.there + "/no/such"))


def below_nothing_with_warning(place):
    with settings(warn_only=True):
        return _listed(place, put(place.write("a"), place.there + "/no/such"))


def from_memory(place):
    return _listed(place, put(StringIO(u"in memory\n"), place.there + "/a", mode=0o644))


def from_memory_read_before(place):
    file = StringIO(u"in memory\n")
    file.read(3)
    said = _listed(place, put(file, place.there + "/a", mode=0o644))
    return [said, file.tell()]


def from_memory_with_name(place):
    file = StringIO(u"in memory\n")
    file.name = "its-name"
    return _listed(place, put(file, place.there + "/a", mode=0o644))


def from_memory_into_a_directory(place):
    class Named(StringIO):
        def __repr__(self):
            return "<a file>"
    return _listed(place, put(Named(u"x"), place.there))


def directory_to_a_new_name(place):
    place.write("d/a")
    return _listed(place, put(place.here + "/d", place.there + "/new", mode=0o644))


def directory_over_another(place):
    place.write("d/a", "new")
    place.write_there("d/a", "old")
    place.write_there("d/b", "kept")
    return _listed(place, put(place.here + "/d", place.there, mode=0o644))


def from_an_open_file_into_a_directory(place):
    with open(place.write("a"), "rb") as file:
        return _listed(place, put(file, place.there, mode=0o644))


def pattern_to_a_name(place):
    place.write("a.txt")
    return _listed(place, put(place.here + "/*.txt", place.there + "/b", mode=0o644))


def pattern_of_directories(place):
    place.write("d1/a")
    place.write("d2/b")
    return _listed(place, put(place.here + "/d*", place.there, mode=0o644))


def wrong_mode(place):
    return put(place.write("a"), place.there + "/b", mode="rwx")


def over_a_link(place):
    place.write_there("target", "old\n")
    os.symlink(place.there + "/target", place.there + "/link")
    put(place.write("a", "new\n"), place.there + "/link")
    return [os.path.islink(place.there + "/link"), place.read_there("target")]


def from_bytes(place):
    from io import BytesIO
    return _listed(place, put(BytesIO(b"bytes\n"), place.there + "/a", mode=0o644))


def from_an_open_file(place):
    with open(place.write("a"), "rb") as file:
        return _listed(place, put(file, place.there + "/b", mode=0o644))


def in_directories(place):
    place.write("sub/a")
    os.mkdir(place.there + "/to")
    with settings(lcd(place.here), cd(place.there)):
        with settings(lcd("sub"), cd("to")):
            return _listed(place, put("a", "b", mode=0o644))


def home_of_this_side(place):
    os.environ["HOME"] = place.here
    place.write("a")
    return _listed(place, put("~/a", place.there + "/b", mode=0o644))


def home_of_that_side(place):
    # The node's home directory is a real one: nothing is left there.
    way = os.path.relpath(place.there, os.path.expanduser("~root" if os.getuid() == 0 else "~"))
    first = put(place.write("a"), "~/" + way + "/b", mode=0o644)
    second = put(place.write("a"), way + "/c", mode=0o644)
    third = put(place.write("a"), "~/" + way, mode=0o644)
    return [_listed(place, first), _listed(place, second), _listed(place, third)]


def with_rights(place):
    return _listed(place, put(place.write("a"), place.there + "/b", use_sudo=True, mode=0o644))


def with_rights_to_a_directory(place):
    return _listed(place, put(place.write("a"), place.there, use_sudo=True, mode=0o644))


def with_rights_and_mirrored(place):
    path = place.write("a", mode=0o750)
    return _listed(place, put(path, place.there + "/b", use_sudo=True, mirror_local_mode=True))


def with_rights_below_nothing(place):
    return _listed(place, put(place.write("a"), place.there + "/no/such", use_sudo=True))


def with_rights_from_memory(place):
    return _listed(place, put(StringIO(u"x\n"), place.there + "/b", use_sudo=True, mode="0640"))


def with_temp_dir(place):
    os.mkdir(place.there + "/tmp")
    return _listed(place, put(place.write("a"), place.there + "/b", use_sudo=True, mode=0o644,
                              temp_dir=place.there + "/tmp"))


def hidden(place):
    with hide("running"):
        return _listed(place, put(place.write("a"), place.there + "/b", mode=0o644))


def not_text(place):
    path = place.here + "/a"
    with open(path, "wb") as file:
        file.write(bytes(bytearray(range(256))) * 1000)
    put(path, place.there + "/a")
    with open(place.there + "/a", "rb") as file:
        return file.read() == bytes(bytearray(range(256))) * 1000


def with_prefix(place):
    env.output_prefix = False
    return _listed(place, put(place.write("a"), place.there + "/b", mode=0o644))
