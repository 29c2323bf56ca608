module waybill/bench/load

go 1.19
