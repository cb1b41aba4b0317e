"""Output as Fabric shows it: line by line behind a prefix, while it arrives."""


class Shown(object):
    """The prefix follows each newline at once, unless `linewise` holds a line back until it is
    complete. A carriage return ends a line too."""

    def __init__(self, file, prefix, linewise):
        self._file, self._prefix, self._linewise = file, prefix, linewise
        self._begun = False
        self._returned = False
        # Without its end.
        self._line = ""

    def take(self, text):
        if self._returned and text.startswith("\n"):
            # Of the carriage return before it.
            text = text[1:]
        self._returned = text.endswith("\r") if text else False
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        written = []
        if not self._begun and not self._linewise:
            written.append(self._prefix)
        self._begun = True
        if self._linewise:
            for line in lines[:-1]:
                written.append("%s%s%s\n" % (self._prefix, self._line, line))
                self._line = ""
            self._line += lines[-1]
        else:
            written.append(("\n" + self._prefix).join(lines))
            self._line = lines[-1] if len(lines) > 1 else self._line + lines[-1]
        self._write("".join(written))

    def finish(self):
        """The stream has ended: perhaps in the middle of a line."""
        if not self._begun:
            return
        if self._linewise and (self._line or self._prefix):
            self._write(self._prefix + self._line)
        if self._prefix and not self._line:
            self._write("\n")

    def _write(self, text):
        self._file.write(text)
        flush = getattr(self._file, "flush", None)
        if flush:
            flush()
