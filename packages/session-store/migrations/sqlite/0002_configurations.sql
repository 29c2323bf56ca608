CREATE TABLE `configurations` (
	`key` text PRIMARY KEY NOT NULL,
	`configuration` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `sessions` ADD `configuration_key` text REFERENCES configurations(key);--> statement-breakpoint
CREATE INDEX `sessions_by_configuration` ON `sessions` (`configuration_key`);