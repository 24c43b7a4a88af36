SELECT erase_after('evt.session.deleted'), erase_after('evt.session.template_deleted');
