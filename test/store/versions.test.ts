import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { changeFor, documentsAt } from './changes.ts'
import { openStore, temporaryDirectory } from './directory.ts'

/** What each released version wrote for the changes of revisions 1 to 6, byte for byte. Never edited, only added to. */
const WRITTEN_BY = {
  '0.1': {
    'state.json': `{"format":1,"checksum":"cb135521","documents":{"revision":5,"configuration":{"hash":"hash 5","services":{"shop":{"revision":5}}},"services":{"10":{"name":"10","revision":4,"source":{"hosts":["4.example.com"],"note":""},"decisions":[{"revision":4,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":4000}},"poolCuts":{"green":4}},"constructor":{"name":"constructor","revision":1,"source":{"hosts":["1.example.com"],"note":""},"decisions":[{"revision":1,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":1000}},"poolCuts":{"green":1}},"toString":{"name":"toString","revision":2,"source":{"hosts":["2.example.com"],"note":""},"decisions":[{"revision":2,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":2000}},"poolCuts":{"green":2}},"hasOwnProperty":{"name":"hasOwnProperty","revision":3,"source":{"hosts":["3.example.com"],"note":""},"decisions":[{"revision":3,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":3000}},"poolCuts":{"green":3}},"ünï ☕":{"name":"ünï ☕","revision":5,"source":{"hosts":["5.example.com"],"note":""},"decisions":[{"revision":5,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":5000}},"poolCuts":{"green":5}}}},"history":[{"revision":1,"at":"1970-01-01T00:00:00.001Z","by":"tester","reason":"because","action":"switch","service":"constructor","from":{"blue":100},"to":{"green":100},"forced":false},{"revision":2,"at":"1970-01-01T00:00:00.002Z","by":"tester","reason":null,"action":"switch","service":"toString","from":{"blue":100},"to":{"green":100},"forced":false},{"revision":3,"at":"1970-01-01T00:00:00.003Z","by":"tester","reason":"because","action":"switch","service":"hasOwnProperty","from":{"blue":100},"to":{"green":100},"forced":false},{"revision":4,"at":"1970-01-01T00:00:00.004Z","by":"tester","reason":null,"action":"switch","service":"10","from":{"blue":100},"to":{"green":100},"forced":false},{"revision":5,"at":"1970-01-01T00:00:00.005Z","by":"tester","reason":"because","action":"switch","service":"ünï ☕","from":{"blue":100},"to":{"green":100},"forced":false}]}
`,
    'changes.log': `f8f45547 {"revision":6,"at":"1970-01-01T00:00:00.006Z","services":{"shop":{"name":"shop","revision":6,"source":{"hosts":["6.example.com"],"note":""},"decisions":[{"revision":6,"split":{"blue":95.25,"green":4.75}}],"servers":{"blue/blue1":{"state":"drain","weight":null,"cutAt":6000}},"poolCuts":{"green":6}}},"history":[{"revision":6,"at":"1970-01-01T00:00:00.006Z","by":"tester","reason":null,"action":"switch","service":"shop","from":{"blue":100},"to":{"green":100},"forced":false}]}
`,
  },
}

test.each(Object.entries(WRITTEN_BY))('S2 the state that version %s wrote loads', async (_, files) => {
  const path = await temporaryDirectory()
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  const { store, warnings } = await openStore(path)
  expect(store.documents()).toEqual(documentsAt(6))
  expect(await store.history({ service: 'shop', limit: 9 })).toEqual(changeFor(6).history)
  expect(warnings).toEqual([])
  await store.close()
})
