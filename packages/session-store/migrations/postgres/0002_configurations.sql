CREATE TABLE "configurations" (
	"key" text COLLATE "C" PRIMARY KEY NOT NULL,
	"configuration" json NOT NULL
);
--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "configuration_key" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_configuration_key_configurations_key_fk" FOREIGN KEY ("configuration_key") REFERENCES "public"."configurations"("key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "sessions_by_configuration" ON "sessions" USING btree ("configuration_key");