-- Everything that was recorded goes into one log: docs/adr/0007.
CREATE TABLE `new_sessions` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text,
	`token_digest` text NOT NULL,
	`policy` text NOT NULL,
	`state` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ended_at` integer,
	`configuration` text NOT NULL,
	`secret_patterns` text NOT NULL,
	`sealed_secrets` text,
	`changed_by` text DEFAULT '' NOT NULL
);
--> statement-breakpoint
INSERT INTO `new_sessions` (`id`, `token_digest`, `policy`, `state`, `created_at`, `expires_at`, `ended_at`, `configuration`, `secret_patterns`)
SELECT `id`, `token_digest`, `policy`, `state`, `created_at`, `expires_at`, `ended_at`, `configuration`, `secret_patterns`
FROM `sessions` ORDER BY `created_at`, `id`;
--> statement-breakpoint
CREATE UNIQUE INDEX `new_sessions_by_id` ON `new_sessions` (`id`);
--> statement-breakpoint
CREATE TABLE `records` (
	`id` integer PRIMARY KEY NOT NULL,
	`session` integer NOT NULL,
	`kind` text NOT NULL,
	`sha256` blob,
	`size` integer,
	`at` integer NOT NULL,
	`payload` text NOT NULL
);
--> statement-breakpoint
INSERT INTO `records` (`id`, `session`, `kind`, `sha256`, `size`, `at`, `payload`)
WITH `refusal_payloads` AS (
	SELECT *, json_array(1, `kind`, `started_at`, `method`, `url`, `address`, `user_agent`, json(`request_header`), json(`request_inspection`),
		`phase`, `at`, `status_code`, `reason`, `hint`, `inspector`, json(iif(`delivered`, 'true', 'false')), `sha256`, `size`,
		json(`response_inspection`)) AS `payload`
	FROM `refusals`
)
SELECT row_number() OVER (ORDER BY `all`.`id`), s.`key`, `all`.`kind`, unhex(`all`.`sha256`), `all`.`size`, `all`.`at`, `all`.`payload`
FROM (
	SELECT d.`id`, d.`session_id`, 'd' AS `kind`, d.`sha256`, a.`size`, d.`started_at` AS `at`,
		json_array(1, d.`started_at`, d.`ended_at`, d.`method`, d.`url`, d.`address`, d.`user_agent`, json(d.`request_header`),
			json(j.`request_inspection`), d.`status_code`, d.`status`, d.`content_type`, json(d.`response_header`),
			json(d.`response_trailer`), d.`delivery`, json(j.`metadata`), json(j.`response_inspection`), j.`result`,
			(SELECT json_group_array(json(v.`link`)) FROM (
				SELECT iif(`kind` = 'artifact',
					json_object('kind', `kind`, 'sha256', `voucher`, 'inspector', coalesce(`inspector`, ''), 'name', `name`),
					json_object('kind', `kind`, 'id', `voucher`, 'name', `name`)) AS `link`
				FROM `vouches`
				WHERE `session_id` = d.`session_id` AND `sha256` = d.`sha256` AND `judgement` = d.`judgement`
				ORDER BY `position`
			) v),
			json(j.`provides`),
			(SELECT json(f.`payload`) FROM `refusal_payloads` f
				WHERE f.`session_id` = d.`session_id` AND f.`download_sha256` = d.`sha256` AND f.`download_id` = d.`id`)
		) AS `payload`
	FROM `downloads` d
	JOIN `artifacts` a ON a.`session_id` = d.`session_id` AND a.`sha256` = d.`sha256`
	JOIN `judgements` j ON j.`session_id` = d.`session_id` AND j.`sha256` = d.`sha256` AND j.`key` = d.`judgement`
	UNION ALL
	SELECT `id`, `session_id`, 'a', `sha256`, `size`, `started_at`,
		json_array(1, `started_at`, `ended_at`, `method`, `url`, `address`, `user_agent`, json(`request_header`), json(`request_inspection`),
			`status_code`, `status`, `content_type`, json(`response_header`), json(`response_trailer`), `delivery`, `note`, `result`,
			`sha256`, `size`)
	FROM `responses`
	UNION ALL
	SELECT `id`, `session_id`, 'r', `sha256`, `size`, `at`, `payload` FROM `refusal_payloads`
) AS `all`
JOIN `new_sessions` s ON s.`id` = `all`.`session_id`;
--> statement-breakpoint
CREATE TABLE `session_vouchers` (
	`session` integer NOT NULL,
	`sha256` blob NOT NULL,
	PRIMARY KEY(`session`, `sha256`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `session_vouchers` (`session`, `sha256`)
SELECT DISTINCT s.`key`, unhex(v.`voucher`) FROM `vouches` v JOIN `new_sessions` s ON s.`id` = v.`session_id`
WHERE v.`kind` = 'artifact' AND length(unhex(v.`voucher`)) = 32;
--> statement-breakpoint
CREATE TABLE `new_session_catalogs` (
	`session` integer NOT NULL,
	`scope_key` text NOT NULL,
	`key` text NOT NULL,
	`id` text NOT NULL,
	`sha256` blob NOT NULL,
	`payload` text NOT NULL,
	PRIMARY KEY(`session`, `scope_key`, `key`)
);
--> statement-breakpoint
INSERT INTO `new_session_catalogs` (`session`, `scope_key`, `key`, `id`, `sha256`, `payload`)
SELECT s.`key`, c.`scope_key`, c.`key`, c.`id`, unhex(c.`sha256`),
	json_object('scope', c.`scope`, 'kind', c.`kind`, 'sha256', c.`sha256`, 'inspector', c.`inspector`, 'url', c.`url`, 'name', c.`name`,
		'attributes', json(c.`attributes`))
FROM `session_catalogs` c JOIN `new_sessions` s ON s.`id` = c.`session_id`;
--> statement-breakpoint
DROP TABLE `downloads`;--> statement-breakpoint
DROP TABLE `responses`;--> statement-breakpoint
DROP TABLE `refusals`;--> statement-breakpoint
DROP TABLE `vouches`;--> statement-breakpoint
DROP TABLE `judgements`;--> statement-breakpoint
DROP TABLE `artifacts`;--> statement-breakpoint
DROP TABLE `session_catalogs`;--> statement-breakpoint
DROP TABLE `sessions`;--> statement-breakpoint
DROP INDEX `new_sessions_by_id`;--> statement-breakpoint
ALTER TABLE `new_sessions` RENAME TO `sessions`;--> statement-breakpoint
ALTER TABLE `new_session_catalogs` RENAME TO `session_catalogs`;--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_id_unique` ON `sessions` (`id`);--> statement-breakpoint
CREATE INDEX `sessions_by_state` ON `sessions` (`state`,`created_at`);--> statement-breakpoint
CREATE INDEX `records_by_time` ON `records` (`session`,`kind`,`at`) WHERE kind <> 'd';--> statement-breakpoint
CREATE INDEX `records_by_digest` ON `records` (`sha256`) WHERE kind <> 'd' and sha256 is not null;--> statement-breakpoint
CREATE INDEX `session_vouchers_by_digest` ON `session_vouchers` (`sha256`);--> statement-breakpoint
CREATE INDEX `session_catalogs_by_sha256` ON `session_catalogs` (`sha256`);--> statement-breakpoint
CREATE TABLE `indexed_downloads` (
	`session` integer NOT NULL,
	`sha256` blob NOT NULL,
	`id` integer NOT NULL,
	`size` integer NOT NULL,
	PRIMARY KEY(`session`, `sha256`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `indexed_downloads_by_digest` ON `indexed_downloads` (`sha256`);--> statement-breakpoint
CREATE TABLE `index_state` (
	`id` integer PRIMARY KEY NOT NULL,
	`indexed` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `index_state` (`id`, `indexed`) VALUES (1, 0);
--> statement-breakpoint
-- The second half is empty as a rule. It is what lets a full disk be read, where nothing can be entered any more.
CREATE VIEW `download_index` AS
SELECT `session`, `sha256`, `id`, `size` FROM `indexed_downloads`
UNION ALL
SELECT `session`, `sha256`, `id`, coalesce(`size`, 0) FROM `records`
WHERE `id` > (SELECT `indexed` FROM `index_state`) AND `kind` = 'd';
--> statement-breakpoint
-- CROSS JOIN: always from the index to the records.
CREATE VIEW `entered_downloads` AS
SELECT i.`session`, i.`sha256`, i.`id`, r.`payload`
FROM `indexed_downloads` i CROSS JOIN `records` r ON r.`id` = i.`id`;
--> statement-breakpoint
CREATE VIEW `downloads` AS
SELECT i.`session`, i.`sha256`, i.`id`, r.`payload`
FROM `indexed_downloads` i CROSS JOIN `records` r ON r.`id` = i.`id`
UNION ALL
SELECT `session`, `sha256`, `id`, `payload` FROM `records`
WHERE `id` > (SELECT `indexed` FROM `index_state`) AND `kind` = 'd';
--> statement-breakpoint
CREATE TABLE `session_changes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`session_id` text NOT NULL,
	`handle` text NOT NULL
);
--> statement-breakpoint
CREATE TRIGGER `session_created` AFTER INSERT ON `sessions` BEGIN
	INSERT INTO `session_changes` (`session_id`, `handle`) VALUES (new.`id`, new.`changed_by`);
END;
--> statement-breakpoint
CREATE TRIGGER `session_moved` AFTER UPDATE OF `state`, `ended_at`, `id` ON `sessions` BEGIN
	INSERT INTO `session_changes` (`session_id`, `handle`) VALUES (coalesce(new.`id`, old.`id`), new.`changed_by`);
END;
