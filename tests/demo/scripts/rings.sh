#!/bin/sh
# Draws as many rings as asked for.
echo "$LOOM_NODE, in section:"
ring=
for n in $(seq "$1"); do
    ring="($ring$n)"
    printf '%*s\n' $((20 + ${#ring} / 2)) "$ring"
done
