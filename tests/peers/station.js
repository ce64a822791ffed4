// A charging station made of npm `ocpp-rpc`, against a running evenload. In strict mode that package
// holds every message, ours and its own, against its JSON schemas. It plays one session: boot,
// transaction, reading, end; prints what it saw as one line of JSON.
//
//     node station.js ws://127.0.0.1:8080/ocpp ID PASSWORD ocpp1.6|ocpp2.0.1
const { RPCClient } = require('ocpp-rpc');

const [endpoint, identity, password, protocol] = process.argv.slice(2);
const is16 = protocol === 'ocpp1.6';
const seen = { actions: [], invalid: [], default_amps: null, transaction_amps: null };
let wake = () => {};

const client = new RPCClient({
  endpoint, identity, password, protocols: [protocol], strictMode: true, reconnect: false,
});
client.on('strictValidationFailure', (event) => seen.invalid.push(String(event.error ?? event)));

function limit(profile) {
  const schedule = [profile.chargingSchedule].flat()[0];
  return schedule.chargingSchedulePeriod[0].limit;
}

client.handle(({ method, params }) => {
  seen.actions.push(method);
  switch (method) {
    case 'SetChargingProfile': {
      const profile = params.csChargingProfiles ?? params.chargingProfile;
      const field = profile.chargingProfilePurpose === 'TxProfile' ? 'transaction_amps' : 'default_amps';
      seen[field] = limit(profile);
      wake();
      return { status: 'Accepted' };
    }
    case 'GetConfiguration':
      return { configurationKey: [{ key: 'ChargeProfileMaxStackLevel', readonly: true, value: '8' }] };
    case 'GetBaseReport':
      return { status: 'EmptyResultSet' };
    case 'ClearChargingProfile':
      return { status: 'Unknown' };
    case 'GetCompositeSchedule':
      return { status: 'Rejected' };
    default:
      return { status: 'Accepted' };
  }
});

async function until(condition) {
  while (!condition()) {
    await new Promise((resolve) => { wake = resolve; });
  }
}

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

async function play16() {
  const boot = await client.call('BootNotification', { chargePointVendor: 'npm', chargePointModel: 'ocpp-rpc' });
  await client.call('StatusNotification', { connectorId: 1, errorCode: 'NoError', status: 'Available' });
  await until(() => seen.default_amps !== null);
  const start = await client.call('StartTransaction', { connectorId: 1, idTag: 'TAG', meterStart: 1000, timestamp: now() });
  await until(() => seen.transaction_amps !== null);
  const transactionId = start.transactionId;
  await client.call('MeterValues', { connectorId: 1, transactionId, meterValue: [
    { timestamp: now(), sampledValue: [{ value: '1200' }, { value: '4000', measurand: 'Power.Active.Import', unit: 'W' }] }] });
  await client.call('StopTransaction', { transactionId, meterStop: 1300, timestamp: now() });
  return boot.status;
}

async function play201() {
  const boot = await client.call('BootNotification', { reason: 'PowerUp', chargingStation: { vendorName: 'npm', model: 'ocpp-rpc' } });
  await client.call('StatusNotification', { timestamp: now(), connectorStatus: 'Available', evseId: 1, connectorId: 1 });
  await until(() => seen.default_amps !== null);
  const event = (eventType, triggerReason, seqNo, more) => client.call('TransactionEvent', {
    eventType, triggerReason, seqNo, timestamp: now(), transactionInfo: { transactionId: 'npm-1', chargingState: 'Charging' }, ...more });
  await event('Started', 'Authorized', 0, { evse: { id: 1, connectorId: 1 }, idToken: { idToken: 'TAG', type: 'ISO14443' } });
  await until(() => seen.transaction_amps !== null);
  await event('Updated', 'MeterValuePeriodic', 1, { meterValue: [{ timestamp: now(), sampledValue: [{ value: 1200 }] }] });
  await event('Ended', 'EVDeparted', 2, {});
  return boot.status;
}

setTimeout(() => { console.error('nothing came', JSON.stringify(seen)); process.exit(1); }, 40000).unref();

(async () => {
  await client.connect();
  seen.protocol = client.protocol;
  seen.boot = await (is16 ? play16() : play201());
  // What is still on its way may come.
  await new Promise((resolve) => setTimeout(resolve, 300));
  console.log(JSON.stringify(seen));
  await client.close();
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
