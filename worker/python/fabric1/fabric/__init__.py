"""Fabric 1's names, for tasks that run on a Loom node: see docs/fabric.md."""
