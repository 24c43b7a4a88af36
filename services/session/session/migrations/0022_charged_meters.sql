-- The attempt that has charged last, and its total then: what is charged again because the reply was lost is known.
ALTER TABLE runs ADD COLUMN meter uuid, ADD COLUMN meter_usd numeric;
