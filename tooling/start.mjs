process.stdout.write('waybill: set-up is complete. The main job (packing examples/hello-web) comes here.\n');
