"""For tasks that import what belongs to a Django project."""

import os


def settings_module(module):
    """Names the module with Django's settings."""
    os.environ["DJANGO_SETTINGS_MODULE"] = module


def project(name):
    """As `settings_module("NAME.settings")`."""
    settings_module("%s.settings" % name)
