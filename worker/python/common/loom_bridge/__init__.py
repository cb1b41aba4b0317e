"""What runs one unit's Python task: the interpreter's side of the conversation with the worker.

`start` is the script that is run, `main` the way of one unit: it opens the `channel`, over which
`value`s travel, has `modules` find what the task's path names, and `call` calls it, once `node` has
told Fabric's `env` of the unit's node. `inspect` is for those who ask about tasks and run none. Of
what tasks do on the node nothing is known here: that is `fabric`'s, ours or the installed one.

Everything below runs unchanged on Python 2.7 and on Python 3.6 and later, and imports next to
nothing when it starts: os, sys and what is built in. A standard module that only some tasks need is
imported where it is needed.
"""
