"""Text in color, for terminals."""


def _wrap_with(code):
    def colored(text, bold=False):
        return "\033[%s%sm%s\033[0m" % ("1;" if bold else "", code, text)
    return colored


red = _wrap_with("31")
green = _wrap_with("32")
yellow = _wrap_with("33")
blue = _wrap_with("34")
magenta = _wrap_with("35")
cyan = _wrap_with("36")
white = _wrap_with("37")
