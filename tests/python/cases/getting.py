"""`get`."""

import os

from fabric.api import cd, env, get, hide, lcd, settings

from cases import StringIO


def _listed(place, downloaded):
    return {"list": sorted(downloaded), "failed": downloaded.failed,
            "succeeded": downloaded.succeeded, "here": place.tree()}


def to_a_name(place):
    return _listed(place, get(place.write_there("a"), place.here + "/b"))


def to_a_directory(place):
    return _listed(place, get(place.write_there("a"), place.here))


def to_a_directory_with_slash(place):
    return _listed(place, get(place.write_there("a"), place.here + "/new/"))


def to_a_new_directory(place):
    return _listed(place, get(place.write_there("a"), place.here + "/new/b"))


def over_a_file(place):
    place.write("b", "old")
    return _listed(place, get(place.write_there("a"), place.here + "/b"))


def default_place(place):
    os.chdir(place.here)
    place.write_there("a")
    got = get(place.there + "/a")
    return [len(got), os.path.basename(got[0]), got.failed,
            [os.path.basename(p) for p in os.listdir(place.here)] == [_directory()]]


def _directory():
    return env.host_string.replace(":", "-")


def template(place):
    got = get(place.write_there("d/a"), place.here + "/%(dirname)s/%(basename)s-%(path)s")
    return _listed(place, got)


def template_host(place):
    got = get(place.write_there("a"), place.here + "/%(host)s")
    return [os.listdir(place.here) == [_directory()], got[0] == place.here + "/" + _directory()]


def template_unknown(place):
    return _listed(place, get(place.write_there("a"), place.here + "/%(nobody)s"))


def directory(place):
    place.write_there("d/a")
    place.write_there("d/e/b")
    os.mkdir(place.there + "/d/empty")
    return _listed(place, get(place.there + "/d", place.here))


def directory_with_template(place):
    place.write_there("d/a")
    place.write_there("d/e/b")
    return _listed(place, get(place.there + "/d", place.here + "/%(path)s"))


def directory_with_dirname(place):
    place.write_there("d/a")
    place.write_there("d/e/b")
    return _listed(place, get(place.there + "/d", place.here + "/x/%(dirname)s/%(basename)s.1"))


def directory_to_a_name(place):
    place.write_there("d/a")
    place.write_there("d/e/b")
    return _listed(place, get(place.there + "/d", place.here + "/x"))


def directory_with_basename(place):
    place.write_there("d/a")
    place.write_there("d/e/b")
    return _listed(place, get(place.there + "/d", place.here + "/x/%(basename)s"))


def directory_with_slash(place):
    place.write_there("d/a")
    return _listed(place, get(place.there + "/d/", place.here))


def directory_default_place(place):
    os.chdir(place.here)
    place.write_there("d/e/a")
    got = get(place.there + "/d")
    return [os.path.relpath(got[0], os.path.join(place.here, _directory())), got.failed]


def pattern_to_a_name(place):
    for name in ("a.txt", "b.bin"):
        place.write_there(name, name)
    return _listed(place, get(place.there + "/*.txt", place.here + "/x/"))


def pattern_with_template(place):
    for name in ("a.txt", "b.txt"):
        place.write_there(name, name)
    return _listed(place, get(place.there + "/*.txt", place.here + "/x/%(path)s"))


def pattern_of_directories(place):
    for name in ("d1/a", "d2/b", "x"):
        place.write_there(name, name)
    return _listed(place, get(place.there + "/d*", place.here))


def pattern_into_memory(place):
    from io import BytesIO
    place.write_there("a.txt")
    file = BytesIO()
    get(place.there + "/*.txt", file)
    return file.getvalue()


def link(place):
    place.write_there("a")
    os.symlink(place.there + "/a", place.there + "/link")
    return _listed(place, get(place.there + "/link", place.here + "/b"))


def mode(place):
    got = get(place.write_there("a", mode=0o751), place.here + "/b")
    return [len(got), os.path.isfile(got[0])]


def pattern(place):
    for name in ("a.txt", "b.txt", "c.bin", ".d.txt"):
        place.write_there(name, name)
    return _listed(place, get(place.there + "/*.txt", place.here))


def pattern_that_matches_nothing(place):
    return _listed(place, get(place.there + "/*.txt", place.here))


def missing(place):
    return _listed(place, get(place.there + "/nobody", place.here))


def missing_with_warning(place):
    with settings(warn_only=True):
        return _listed(place, get(place.there + "/nobody", place.here))


def into_memory(place):
    from io import BytesIO
    file = BytesIO()
    got = get(place.write_there("a", "in memory\n"), file)
    return [got.failed, got.succeeded, [type(item).__name__ for item in got],
            file.getvalue().decode("ascii"), file.tell()]


def into_text(place):
    file = StringIO()
    get(place.write_there("a", "in memory\n"), file)
    return file.getvalue()


def into_memory_with_content(place):
    from io import BytesIO
    file = BytesIO(b"something that was there before")
    file.seek(4)
    get(place.write_there("a", "new\n"), file)
    return [file.getvalue(), file.tell()]


def into_memory_with_name(place):
    from io import BytesIO

    class Named(BytesIO):
        name = "its-name"
    file = Named()
    get(place.write_there("a", "x\n"), file)
    return file.getvalue()


def into_an_open_file(place):
    with open(place.here + "/b", "wb") as file:
        got = get(place.write_there("a"), file)
        return [len(got), got.failed, place.tree() == {}]


def directory_into_memory(place):
    from io import BytesIO
    place.write_there("d/a")
    file = BytesIO()
    got = get(place.there + "/d", file)
    return [len(got), got.failed, file.getvalue()]


def in_directories(place):
    place.write_there("d/a")
    os.mkdir(place.here + "/to")
    with settings(lcd(place.here), cd(place.there)):
        with settings(lcd("to"), cd("d")):
            return _listed(place, get("a", "b"))


def home_of_this_side(place):
    os.environ["HOME"] = place.here
    return _listed(place, get(place.write_there("a"), "~/b"))


def home_of_that_side(place):
    way = os.path.relpath(place.there, os.path.expanduser("~root" if os.getuid() == 0 else "~"))
    place.write_there("a")
    return [_listed(place, get("~/" + way + "/a", place.here + "/b")),
            _listed(place, get(way + "/a", place.here + "/c"))]


def with_rights(place):
    return _listed(place, get(place.write_there("a", mode=0o600), place.here + "/b",
                              use_sudo=True))


def with_rights_and_temp_dir(place):
    os.mkdir(place.there + "/tmp")
    said = _listed(place, get(place.write_there("a"), place.here + "/b", use_sudo=True,
                              temp_dir=place.there + "/tmp"))
    return [said, place.tree_there()]


def missing_with_rights(place):
    return _listed(place, get(place.there + "/nobody", place.here, use_sudo=True))


def hidden(place):
    with hide("running"):
        return _listed(place, get(place.write_there("a"), place.here + "/b"))


def not_text(place):
    path = place.there + "/a"
    with open(path, "wb") as file:
        file.write(bytes(bytearray(range(256))) * 1000)
    get(path, place.here + "/a")
    with open(place.here + "/a", "rb") as file:
        return file.read() == bytes(bytearray(range(256))) * 1000


def relative_result(place):
    os.chdir(place.here)
    return _listed(place, get(place.write_there("a"), "b"))


def below_a_file(place):
    place.write("f")
    return _listed(place, get(place.write_there("a"), place.here + "/f/b"))
