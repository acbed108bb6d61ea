"""Pages about logs for a browser: HTML without scripts, made here whole. Internal: its interface is ``log serve``."""
