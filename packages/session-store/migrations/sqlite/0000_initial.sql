CREATE TABLE `artifacts` (
	`session_id` text NOT NULL,
	`sha256` text NOT NULL,
	`size` integer NOT NULL,
	PRIMARY KEY(`session_id`, `sha256`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `artifacts_by_sha256` ON `artifacts` (`sha256`);--> statement-breakpoint
CREATE TABLE `downloads` (
	`session_id` text NOT NULL,
	`sha256` text NOT NULL,
	`id` text NOT NULL,
	`judgement` text NOT NULL,
	`started_at` integer NOT NULL,
	`method` text NOT NULL,
	`url` text NOT NULL,
	`address` text NOT NULL,
	`user_agent` text NOT NULL,
	`request_header` text NOT NULL,
	`ended_at` integer NOT NULL,
	`status_code` integer NOT NULL,
	`status` text NOT NULL,
	`content_type` text NOT NULL,
	`response_header` text NOT NULL,
	`response_trailer` text,
	`delivery` text NOT NULL,
	PRIMARY KEY(`session_id`, `sha256`, `started_at`, `id`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `judgements` (
	`session_id` text NOT NULL,
	`sha256` text NOT NULL,
	`key` text NOT NULL,
	`result` text NOT NULL,
	`metadata` text NOT NULL,
	`request_inspection` text NOT NULL,
	`response_inspection` text NOT NULL,
	`provides` text NOT NULL,
	PRIMARY KEY(`session_id`, `sha256`, `key`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE TABLE `pings` (
	`id` integer PRIMARY KEY NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `refusals` (
	`session_id` text NOT NULL,
	`at` integer NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`phase` text NOT NULL,
	`started_at` integer NOT NULL,
	`method` text NOT NULL,
	`url` text NOT NULL,
	`address` text NOT NULL,
	`user_agent` text NOT NULL,
	`request_header` text NOT NULL,
	`request_inspection` text NOT NULL,
	`status_code` integer NOT NULL,
	`reason` text NOT NULL,
	`hint` text,
	`inspector` text,
	`delivered` integer NOT NULL,
	`sha256` text,
	`size` integer,
	`response_inspection` text NOT NULL,
	`download_sha256` text,
	`download_id` text,
	PRIMARY KEY(`session_id`, `at`, `id`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `refusals_by_sha256` ON `refusals` (`sha256`) WHERE sha256 is not null;--> statement-breakpoint
CREATE INDEX `refusals_by_download` ON `refusals` (`session_id`,`download_sha256`) WHERE download_sha256 is not null;--> statement-breakpoint
CREATE TABLE `responses` (
	`session_id` text NOT NULL,
	`id` text NOT NULL,
	`started_at` integer NOT NULL,
	`method` text NOT NULL,
	`url` text NOT NULL,
	`address` text NOT NULL,
	`user_agent` text NOT NULL,
	`request_header` text NOT NULL,
	`request_inspection` text NOT NULL,
	`ended_at` integer NOT NULL,
	`status_code` integer NOT NULL,
	`status` text NOT NULL,
	`content_type` text NOT NULL,
	`response_header` text NOT NULL,
	`response_trailer` text,
	`delivery` text NOT NULL,
	`note` text NOT NULL,
	`result` text,
	`sha256` text,
	`size` integer,
	PRIMARY KEY(`session_id`, `started_at`, `id`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `responses_by_sha256` ON `responses` (`sha256`) WHERE sha256 is not null;--> statement-breakpoint
CREATE TABLE `session_catalogs` (
	`session_id` text NOT NULL,
	`scope` text NOT NULL,
	`scope_key` text NOT NULL,
	`key` text NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`sha256` text NOT NULL,
	`inspector` text NOT NULL,
	`url` text NOT NULL,
	`name` text NOT NULL,
	`attributes` text,
	PRIMARY KEY(`session_id`, `scope_key`, `key`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `session_catalogs_by_sha256` ON `session_catalogs` (`sha256`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`token_digest` text NOT NULL,
	`policy` text NOT NULL,
	`state` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ended_at` integer,
	`configuration` text NOT NULL,
	`secret_patterns` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `sessions_by_state` ON `sessions` (`state`,`created_at`);--> statement-breakpoint
CREATE TABLE `vouches` (
	`session_id` text NOT NULL,
	`sha256` text NOT NULL,
	`judgement` text NOT NULL,
	`position` integer NOT NULL,
	`kind` text NOT NULL,
	`voucher` text NOT NULL,
	`inspector` text,
	`name` text NOT NULL,
	PRIMARY KEY(`session_id`, `sha256`, `judgement`, `position`),
	FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `vouches_by_artifact` ON `vouches` (`voucher`) WHERE kind = 'artifact';