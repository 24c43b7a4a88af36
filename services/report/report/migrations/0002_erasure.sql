SELECT erase_after('evt.report.deleted');
