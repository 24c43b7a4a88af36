"""Files of a service, opened, read in parts and erased, whatever those who can write beside it do meanwhile."""
