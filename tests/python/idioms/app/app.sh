#!/bin/sh
echo "$GREETING from $(basename "$PWD") in $LC_ALL"
echo "PATH:${PATH##*/usr}"
