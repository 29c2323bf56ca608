import { waybill } from '@waybill/vitest-preset';

export default waybill();
