"""A thread whose failure is not lost."""

import sys


class ThreadHandler(object):
    """Calls it in a thread of its own, at once; `raise_if_needed` raises what it raised."""

    def __init__(self, name, callable, *args, **kwargs):
        import threading
        self.exception = None

        def call():
            try:
                callable(*args, **kwargs)
            except BaseException:
                self.exception = sys.exc_info()

        self.thread = threading.Thread(target=call, name=name)
        self.thread.daemon = True
        self.thread.start()

    def raise_if_needed(self):
        if self.exception:
            raise self.exception[1]
