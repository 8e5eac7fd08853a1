// agree.mjs CASE OUTPUTS [LIMIT]: how far our outputs are from ONNX Runtime's on the same inputs. CASE is a
// folder with model.onnx and test_data_set_0; OUTPUTS holds output_K.pb, as
//   lathe run CASE/model.onnx --case CASE/test_data_set_0 --output-dir OUTPUTS --output-format pb
// writes them. Prints the largest difference of each output; fails above LIMIT (1e-4). ORT_NODE_DIR: see peer.sh.
import fs from 'node:fs';
import path from 'node:path';
import { ort, feeds, tensor } from '../../shared/peer/onnx_case.mjs';

const [dir, outputs, limit = '1e-4'] = process.argv.slice(2);
const session = await ort.InferenceSession.create(path.join(dir, 'model.onnx'), { logSeverityLevel: 4 });
const theirs = await session.run(feeds(session, path.join(dir, 'test_data_set_0')));
let agreed = true;
session.outputNames.forEach((name, k) => {
  const ours = tensor(fs.readFileSync(path.join(outputs, `output_${k}.pb`)));
  let worst = ours.dims.join() === theirs[name].dims.join() ? 0 : NaN;
  ours.data.forEach((v, i) => { worst = Math.max(worst, Math.abs(Number(v) - Number(theirs[name].data[i]))); });
  agreed &&= worst <= Number(limit);
  console.log(`${name} [${ours.dims}]: largest difference ${worst.toExponential(2)}`);
});
process.exit(agreed ? 0 : 1);
