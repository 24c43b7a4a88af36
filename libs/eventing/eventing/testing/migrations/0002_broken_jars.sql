SELECT erase_after('evt.jar.broken');
