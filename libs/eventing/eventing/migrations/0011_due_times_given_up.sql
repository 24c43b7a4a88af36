-- Due times are not given up any more: those of an earlier release are tried again.
UPDATE due SET attempts = 0, try_at = now() WHERE try_at = 'infinity';
