CREATE TABLE "artifacts" (
	"session_id" text COLLATE "C" NOT NULL,
	"sha256" text COLLATE "C" NOT NULL,
	"size" bigint NOT NULL,
	CONSTRAINT "artifacts_session_id_sha256_pk" PRIMARY KEY("session_id","sha256")
);
--> statement-breakpoint
CREATE TABLE "downloads" (
	"session_id" text COLLATE "C" NOT NULL,
	"sha256" text COLLATE "C" NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"judgement" text COLLATE "C" NOT NULL,
	"started_at" bigint NOT NULL,
	"method" text COLLATE "C" NOT NULL,
	"url" text COLLATE "C" NOT NULL,
	"address" text COLLATE "C" NOT NULL,
	"user_agent" text COLLATE "C" NOT NULL,
	"request_header" json NOT NULL,
	"ended_at" bigint NOT NULL,
	"status_code" integer NOT NULL,
	"status" text COLLATE "C" NOT NULL,
	"content_type" text COLLATE "C" NOT NULL,
	"response_header" json NOT NULL,
	"response_trailer" json,
	"delivery" text COLLATE "C" NOT NULL,
	CONSTRAINT "downloads_session_id_sha256_started_at_id_pk" PRIMARY KEY("session_id","sha256","started_at","id")
);
--> statement-breakpoint
CREATE TABLE "judgements" (
	"session_id" text COLLATE "C" NOT NULL,
	"sha256" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"result" text COLLATE "C" NOT NULL,
	"metadata" json NOT NULL,
	"request_inspection" json NOT NULL,
	"response_inspection" json NOT NULL,
	"provides" json NOT NULL,
	CONSTRAINT "judgements_session_id_sha256_key_pk" PRIMARY KEY("session_id","sha256","key")
);
--> statement-breakpoint
CREATE TABLE "pings" (
	"id" integer PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "refusals" (
	"session_id" text COLLATE "C" NOT NULL,
	"at" bigint NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"phase" text COLLATE "C" NOT NULL,
	"started_at" bigint NOT NULL,
	"method" text COLLATE "C" NOT NULL,
	"url" text COLLATE "C" NOT NULL,
	"address" text COLLATE "C" NOT NULL,
	"user_agent" text COLLATE "C" NOT NULL,
	"request_header" json NOT NULL,
	"request_inspection" json NOT NULL,
	"status_code" integer NOT NULL,
	"reason" text COLLATE "C" NOT NULL,
	"hint" text COLLATE "C",
	"inspector" text COLLATE "C",
	"delivered" boolean NOT NULL,
	"sha256" text COLLATE "C",
	"size" bigint,
	"response_inspection" json NOT NULL,
	"download_sha256" text COLLATE "C",
	"download_id" text COLLATE "C",
	CONSTRAINT "refusals_session_id_at_id_pk" PRIMARY KEY("session_id","at","id")
);
--> statement-breakpoint
CREATE TABLE "responses" (
	"session_id" text COLLATE "C" NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"started_at" bigint NOT NULL,
	"method" text COLLATE "C" NOT NULL,
	"url" text COLLATE "C" NOT NULL,
	"address" text COLLATE "C" NOT NULL,
	"user_agent" text COLLATE "C" NOT NULL,
	"request_header" json NOT NULL,
	"request_inspection" json NOT NULL,
	"ended_at" bigint NOT NULL,
	"status_code" integer NOT NULL,
	"status" text COLLATE "C" NOT NULL,
	"content_type" text COLLATE "C" NOT NULL,
	"response_header" json NOT NULL,
	"response_trailer" json,
	"delivery" text COLLATE "C" NOT NULL,
	"note" text COLLATE "C" NOT NULL,
	"result" text COLLATE "C",
	"sha256" text COLLATE "C",
	"size" bigint,
	CONSTRAINT "responses_session_id_started_at_id_pk" PRIMARY KEY("session_id","started_at","id")
);
--> statement-breakpoint
CREATE TABLE "session_catalogs" (
	"session_id" text COLLATE "C" NOT NULL,
	"scope" text COLLATE "C" NOT NULL,
	"scope_key" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"sha256" text COLLATE "C" NOT NULL,
	"inspector" text COLLATE "C" NOT NULL,
	"url" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"attributes" json,
	CONSTRAINT "session_catalogs_session_id_scope_key_key_pk" PRIMARY KEY("session_id","scope_key","key")
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"token_digest" text COLLATE "C" NOT NULL,
	"policy" text COLLATE "C" NOT NULL,
	"state" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"ended_at" bigint,
	"configuration" json NOT NULL,
	"secret_patterns" json NOT NULL
);
--> statement-breakpoint
CREATE TABLE "vouches" (
	"session_id" text COLLATE "C" NOT NULL,
	"sha256" text COLLATE "C" NOT NULL,
	"judgement" text COLLATE "C" NOT NULL,
	"position" integer NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"voucher" text COLLATE "C" NOT NULL,
	"inspector" text COLLATE "C",
	"name" text COLLATE "C" NOT NULL,
	CONSTRAINT "vouches_session_id_sha256_judgement_position_pk" PRIMARY KEY("session_id","sha256","judgement","position")
);
--> statement-breakpoint
ALTER TABLE "artifacts" ADD CONSTRAINT "artifacts_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "downloads" ADD CONSTRAINT "downloads_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "judgements" ADD CONSTRAINT "judgements_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refusals" ADD CONSTRAINT "refusals_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "responses" ADD CONSTRAINT "responses_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "session_catalogs" ADD CONSTRAINT "session_catalogs_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "vouches" ADD CONSTRAINT "vouches_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "artifacts_by_sha256" ON "artifacts" USING btree ("sha256");--> statement-breakpoint
CREATE INDEX "refusals_by_sha256" ON "refusals" USING btree ("sha256") WHERE sha256 is not null;--> statement-breakpoint
CREATE INDEX "refusals_by_download" ON "refusals" USING btree ("session_id","download_sha256") WHERE download_sha256 is not null;--> statement-breakpoint
CREATE INDEX "responses_by_sha256" ON "responses" USING btree ("sha256") WHERE sha256 is not null;--> statement-breakpoint
CREATE INDEX "session_catalogs_by_sha256" ON "session_catalogs" USING btree ("sha256");--> statement-breakpoint
CREATE INDEX "sessions_by_state" ON "sessions" USING btree ("state","created_at");--> statement-breakpoint
CREATE INDEX "vouches_by_artifact" ON "vouches" USING btree ("voucher") WHERE kind = 'artifact';