"""Fabric 1's names, for tasks that run on a Loom node: docs/fabric.md tells what they promise.

A module without an underscore has the name, and the public names, of one of Fabric's: `api` is what
a fabfile imports, `operations` what it does, `state` what it reads and sets, `context_managers`,
`decorators` and `tasks` what it is made of, `contrib` what stands beside it; the others are there for
those who import them.

A module with an underscore is ours, and nobody else's to import. `_node` asks the worker for what is
to be done on the node, and lets nothing reach another one; all the others go through it. `_command`
makes the lines that `_run` has run, `_shown` shows what comes back and `_result` is what is
returned; `_local` runs a line here. `_put` and `_get` copy, with `_files` in common. `_answers` has
the replies to what a person would be asked.
"""
