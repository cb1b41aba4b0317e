"""Questions to a person, of whom there is none: the job's `answers` reply in their place."""

import sys

import loom_bridge
from fabric.utils import abort, handle_prompt_abort, native


def given(text):
    """What the job answers to a prompt with this text. Aborts if it does not."""
    wanted = _bare(text)
    for prompt, answer in loom_bridge.unit["answers"].items():
        if _bare(prompt) == wanted:
            return answer
    handle_prompt_abort("a user-specified prompt() call")
    abort("nobody is there to answer %r; put the answer into the job: answers: {%s: ...}"
          % (text, _yaml(wanted)))


def ask(text, behind, default=""):
    """The same, with the question shown as it would be to a person, with `behind` behind it."""
    answer = given(text)
    sys.stdout.write(native("%s%s\n" % (text, behind)))
    return answer if answer != "" else default


def _bare(text):
    """Blanks around it are not what a prompt is known by."""
    return str(text).strip()


def _yaml(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')
