// The whole flow through the official Node SDK, unmodified: everything read is compared with what was written.
//
// Connects as the environment says (OTS_ENDPOINT, OTS_INSTANCE, OTS_AK_ENV, OTS_SK_ENV); this SDK signs with V2 only.
// It finds the SDK by NODE_PATH. Prints how much it checked.
'use strict';

const assert = require('node:assert/strict');
const TableStore = require('tablestore');
const { Long, INF_MIN, INF_MAX, Direction, ComparatorType, LogicalOperator } = TableStore;
const { IGNORE, EXPECT_EXIST, EXPECT_NOT_EXIST } = TableStore.RowExistenceExpectation;

const USERS = 5;
const ORDERS = 500;
const BATCH = 200;
const TABLES = {
  OrderSource: [['UserId', 'STRING'], ['OrderId', 'STRING']],
  OrderBatchSink: [['UserId', 'STRING']],
  OrderTotalSink: [['count', 'INTEGER']],
  OrderStreamSink: [['begin', 'STRING'], ['end', 'STRING']],
};
let checks = 0;

function equal(got, want, what) {
  checks += 1;
  assert.deepStrictEqual(got, want, what);
}

function connect(changes = {}) {
  return new TableStore.Client({
    endpoint: process.env.OTS_ENDPOINT,
    accessKeyId: process.env.OTS_AK_ENV,
    secretAccessKey: process.env.OTS_SK_ENV,
    instancename: process.env.OTS_INSTANCE,
    ...changes,
  });
}

const client = connect();

function call(operation, params, by = client) {
  return new Promise((resolve, reject) => by[operation](params, (error, data) => (error ? reject(error) : resolve(data))));
}

// This SDK gives the status as the code; the code of the protocol is inside the message.
async function refused(code, status, operation, params, by = client, says = '') {
  const error = await call(operation, params, by).then(() => null, (reason) => reason);
  assert.ok(error, `${operation} was not refused with ${code}`);
  equal([error.code, error.message.includes(code), error.message.includes(says)], [status, true, true], error.message);
}

const condition = (existence, columns = null) => new TableStore.Condition(existence, columns);
const keyOf = ([user, order]) => [{ UserId: user }, { OrderId: order }];
const orderKey = (order) => [order.user, order.id];

function createParams(name, key, stream = false) {
  return {
    tableMeta: { tableName: name, primaryKey: key.map(([column, type]) => ({ name: column, type })) },
    reservedThroughput: { capacityUnit: { read: 0, write: 0 } },
    tableOptions: { timeToLive: -1, maxVersions: 1 },
    ...(stream ? { streamSpecification: { enableStream: true, expirationTime: 24 } } : {}),
  };
}

async function tables() {
  for (const [name, key] of Object.entries(TABLES)) {
    await call('createTable', createParams(name, key, name === 'OrderSource'));
  }
  equal((await call('listTable', {})).tableNames.slice().sort(), Object.keys(TABLES).sort(), 'tables');
  for (const [name, key] of Object.entries(TABLES)) {
    const described = await call('describeTable', { tableName: name });
    equal(described.tableMeta.primaryKey.map((column) => column.name), key.map(([column]) => column), `key of ${name}`);
    equal([described.tableStatus, described.tableOptions.maxVersions, described.tableOptions.timeToLive], [1, 1, -1], name);
  }
  await refused('OTSObjectAlreadyExist', 409, 'createTable', createParams('OrderSource', TABLES.OrderSource));
  await refused('OTSObjectNotExist', 404, 'describeTable', { tableName: 'NoSuchTable' }, client,
    'Requested table does not exist.');
}

function madeOrders() {
  const now = Date.now();
  return Array.from({ length: ORDERS }, (_, number) => ({
    user: `user_${'ABCDE'[number % USERS]}`,
    id: `order-${String(number).padStart(6, '0')}`,
    price: [0.1, 19.99, -5.5, 1e-7, 123456.789][(number * 7) % 5] * (1 + (number % 9)),
    // A number near now: this SDK also reads a column of this name as the version of the cell.
    timestamp: now - number * 1000,
  }));
}

const putOf = (order) => ({
  type: 'PUT',
  condition: condition(EXPECT_NOT_EXIST),
  primaryKey: keyOf(orderKey(order)),
  attributeColumns: [{ price: order.price }, { timestamp: Long.fromNumber(order.timestamp) }],
});

async function writeOrders(orders) {
  for (let start = 0; start < orders.length; start += BATCH) {
    const rows = orders.slice(start, start + BATCH).map(putOf);
    const written = await call('batchWriteRow', { tables: [{ tableName: 'OrderSource', rows }] });
    equal(written.tables.map((row) => row.isOk), rows.map(() => true), 'rows of a batch');
  }
  const again = await call('batchWriteRow', { tables: [{ tableName: 'OrderSource', rows: orders.slice(0, 2).map(putOf) }] });
  equal(again.tables.map((row) => [row.isOk, row.errorCode]), Array(2).fill([false, 'OTSConditionCheckFail']), 'orders twice');
}

// A returned row as plain values; every cell must carry a version.
function plain(row) {
  const [user, id] = row.primaryKey.map((column) => column.value);
  const order = { user, id };
  for (const cell of row.attributes) {
    assert.ok(Number(cell.timestamp) > 0, `a cell without a version: ${cell.columnName}`);
    order[cell.columnName] = typeof cell.columnValue === 'object' ? cell.columnValue.toNumber() : cell.columnValue;
  }
  return order;
}

async function scan(low, high, direction, limit, more = {}) {
  const rows = [];
  let start = low;
  while (start) {
    const page = await call('getRange', {
      tableName: 'OrderSource', direction, maxVersions: 1, inclusiveStartPrimaryKey: start, exclusiveEndPrimaryKey: high,
      ...(limit ? { limit } : {}), ...more,
    });
    rows.push(...page.rows.map(plain));
    start = page.nextStartPrimaryKey && page.nextStartPrimaryKey.map((column) => ({ [column.name]: column.value }));
  }
  return rows;
}

async function readOrders(orders) {
  for (const order of orders.slice(0, 50)) {
    const { row } = await call('getRow', { tableName: 'OrderSource', primaryKey: keyOf(orderKey(order)), maxVersions: 1 });
    equal(plain(row), order, 'getRow');
  }
  const absent = await call('getRow', { tableName: 'OrderSource', primaryKey: keyOf(['user_A', 'nothing']), maxVersions: 1 });
  equal(absent.row.primaryKey, undefined, 'a row that is not there');

  const some = orders.slice(100, 199);
  const batch = await call('batchGetRow', {
    tables: [{ tableName: 'OrderSource', primaryKey: some.map((order) => keyOf(orderKey(order))), maxVersions: 1 }],
  });
  equal(batch.tables[0].map(plain), some, 'batchGetRow');

  const byKey = (a, b) => (a.user < b.user ? -1 : a.user > b.user ? 1 : a.id < b.id ? -1 : 1);
  const upward = orders.slice().sort(byKey);
  const low = [{ UserId: INF_MIN }, { OrderId: INF_MIN }];
  const high = [{ UserId: INF_MAX }, { OrderId: INF_MAX }];
  for (const limit of [undefined, 37, 250, 500]) {
    equal(await scan(low, high, Direction.FORWARD, limit), upward, `forward in pages of ${limit}`);
    equal(await scan(high, low, Direction.BACKWARD, limit), upward.slice().reverse(), `backward in pages of ${limit}`);
  }
  const one = upward.filter((order) => order.user === 'user_C');
  const bounds = [[{ UserId: 'user_C' }, { OrderId: INF_MIN }], [{ UserId: 'user_C' }, { OrderId: INF_MAX }]];
  equal(await scan(...bounds, Direction.FORWARD, 7), one, 'one user');
  const dear = new TableStore.CompositeCondition(LogicalOperator.AND);
  dear.addSubCondition(new TableStore.SingleColumnCondition('price', 100, ComparatorType.GREATER_THAN, false));
  dear.addSubCondition(new TableStore.SingleColumnCondition('price', 500000, ComparatorType.LESS_THAN, false));
  const filtered = await scan(low, high, Direction.FORWARD, 50, { columnFilter: dear });
  equal(filtered, upward.filter((order) => order.price > 100 && order.price < 500000), 'filtered');
}

async function conditions() {
  const primaryKey = keyOf(['user_X', 'order-1']);
  const tableName = 'OrderSource';
  const put = (price, when) => ({ tableName, primaryKey, condition: when, attributeColumns: [{ price }, { n: Long.fromNumber(3) }] });
  const columns = async () => {
    const { row } = await call('getRow', { tableName, primaryKey, maxVersions: 1 });
    if (!row.primaryKey) return null;
    const { user, id, ...rest } = plain(row);
    return rest;
  };
  const priceIs = (price) => new TableStore.SingleColumnCondition('price', price, ComparatorType.EQUAL);

  await call('putRow', put(1.5, condition(EXPECT_NOT_EXIST)));
  await refused('OTSConditionCheckFail', 403, 'putRow', put(2.5, condition(EXPECT_NOT_EXIST)));
  equal(await columns(), { price: 1.5, n: 3 }, 'a refused put changes nothing');
  await call('putRow', put(3.5, condition(EXPECT_EXIST, priceIs(1.5))));
  const update = {
    tableName, primaryKey, condition: condition(IGNORE, priceIs(1.5)),
    updateOfAttributeColumns: [{ PUT: [{ note: 'späte Bestellung' }] }, { DELETE_ALL: ['price'] }, { INCREMENT: [{ n: Long.fromNumber(-5) }] }],
  };
  await refused('OTSConditionCheckFail', 403, 'updateRow', update);
  equal(await columns(), { price: 3.5, n: 3 }, 'a refused update changes nothing');
  await call('updateRow', { ...update, condition: condition(EXPECT_EXIST, priceIs(3.5)) });
  equal(await columns(), { note: 'späte Bestellung', n: -2 }, 'an update');
  const remove = (existence) => ({ tableName, primaryKey, condition: condition(existence) });
  await call('deleteRow', remove(EXPECT_EXIST));
  equal(await columns(), null, 'a deleted row');
  await refused('OTSConditionCheckFail', 403, 'deleteRow', remove(EXPECT_EXIST));
  await call('deleteRow', remove(IGNORE));
}

async function refusals() {
  const rows = Array.from({ length: 201 }, (_, row) => putOf({ user: 'limit', id: `${row}`, price: 1, timestamp: Date.now() }));
  await refused('OTSParameterInvalid', 400, 'batchWriteRow', { tables: [{ tableName: 'OrderSource', rows }] }, client, '200');
  const thief = connect({ secretAccessKey: 'wrong' });
  await refused('OTSAuthFailed', 403, 'listTable', {}, thief);
  const one = { tableName: 'OrderSource', primaryKey: keyOf(['thief', '1']), condition: condition(IGNORE), attributeColumns: [{ price: 1.5 }] };
  await refused('OTSAuthFailed', 403, 'putRow', one, thief);
  await refused('OTSObjectNotExist', 404, 'putRow', { ...one, tableName: 'NoSuchTable' }, client, 'Requested table does not exist.');
  const bounds = [[{ UserId: 'limit' }, { OrderId: INF_MIN }], [{ UserId: 'user_' }, { OrderId: INF_MAX }]];
  equal(await scan(...bounds, Direction.FORWARD), [], 'what was refused is not there');
}

async function main() {
  await tables();
  const orders = madeOrders();
  await writeOrders(orders);
  await readOrders(orders);
  await conditions();
  await refusals();
  for (const name of Object.keys(TABLES)) await call('deleteTable', { tableName: name });
  equal((await call('listTable', {})).tableNames, [], 'tables at the end');
  console.log(`Node SDK, V2: ${checks} checks passed`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
