-- After a restore: the numbers that decisions were asked for under, by the fact that asked, as JSON. Asked again, they keep them.
ALTER TABLE cases ADD COLUMN given text;
