-- A user has about 50 rows, of however many. A plan that serves any user would otherwise be made for the average of those
-- there are: for a few users, it would read the rows of all, the newest first, until it has found a page of one user's.
ALTER TABLE sessions ALTER COLUMN user_id SET (n_distinct = -0.02);
ALTER TABLE approvals ALTER COLUMN user_id SET (n_distinct = -0.02);
